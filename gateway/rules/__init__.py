"""What a school's day means for its alarms. Pure."""
