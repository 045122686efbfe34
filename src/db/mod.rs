//! Persistence: the `DbExecutor` actor, its handle and the store functions.
