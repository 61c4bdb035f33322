"""Site files of many schools, made of an office's table. A tool beside the daemon: it stands above runtime, whose checker it uses."""
