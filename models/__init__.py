"""Neural networks: what runs them, what reads their answers, and one folder for each.

Whoever imports this has onnxruntime's telemetry switched off: since 1.29 its wheels for Linux tell their maker, unasked, of the
computer and of each model that is loaded. It must be said before the library begins (docs/decisions/025-nothing-is-told-to-the-maker.md).
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
