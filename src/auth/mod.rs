//! BRC-103 peer sessions and BRC-104 canonical bytes, without I/O.
