//! Bytes that count in a permit for as long as anybody holds them.

use bytes::Bytes;

use crate::heavy::let_go;

struct Held<B: AsRef<[u8]> + Default + Send + 'static, P> {
    bytes: B,
    _permit: P,
}

impl<B: AsRef<[u8]> + Default + Send + 'static, P> Drop for Held<B, P> {
    fn drop(&mut self) {
        let_go(std::mem::take(&mut self.bytes));
    }
}

impl<B: AsRef<[u8]> + Default + Send + 'static, P> AsRef<[u8]> for Held<B, P> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Ties a permit to bytes: it is released with the last copy of them.
pub(super) fn held<B, P>(bytes: B, permit: P) -> Bytes
where
    B: AsRef<[u8]> + Default + Send + 'static,
    P: Send + 'static,
{
    Bytes::from_owner(Held {
        bytes,
        _permit: permit,
    })
}
