//! What the server serves to everybody without a signature: its health, its description, and a page for browsers.

pub(super) mod health;
pub(super) mod home;
pub(super) mod info;
mod open_route;
pub(super) mod pages;
pub(super) mod public_address;
