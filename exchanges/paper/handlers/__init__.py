"""What each endpoint does: functions of (venue, call) that return JSON or raise Refused."""
