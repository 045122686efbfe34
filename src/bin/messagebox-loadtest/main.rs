//! Load test.
fn main(){}
