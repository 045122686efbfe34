//! Configuration: defaults, files, environment variables and flags, in one typed value.
