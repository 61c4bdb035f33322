import models  # noqa: F401  - switches telemetry of onnxruntime off, also where a test or benchmark imports the library itself
