//! The actor per connected socket, and the table that finds it by session id.
