//! The AuthSocket application: what a connected socket may ask for, and how it is answered.
