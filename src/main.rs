//! The default binary: `messagebox-server`.

fn main() {}
