//! Rooms: who is a member of what, and the fan-out of events to members.
