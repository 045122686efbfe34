//! The one path that a message takes: checks, storage, acknowledgement, live delivery.
