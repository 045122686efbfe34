//! What the server serves to everybody without a signature: its health, its description, and a page for browsers.

pub(in crate::http) mod health;
pub(in crate::http) mod home;
pub(in crate::http) mod info;
mod pages;
pub(in crate::http) mod public_address;

pub use pages::protect_pages;
