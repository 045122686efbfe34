//! ECDSA signatures whose RFC 6979 nonces are hashed with the CPU's SHA-256 instructions.
//!
//! libsecp256k1 contains a portable SHA-256, which takes a sixth of the time of a signature. Any SHA-256 yields the
//! same nonces and signatures; the tests compare them bit by bit. Every delivery needs a signature. So this is the only
//! file with unsafe code: the library takes its nonce function as a pointer.
#![expect(
    unsafe_code,
    reason = "the nonce function of libsecp256k1 is a C callback"
)]

use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::ptr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secp256k1::ecdsa::Signature;
use secp256k1::ffi::{self, CPtr as _};
use secp256k1::{Message, Scalar, SecretKey};
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::CURVE;

/// Signs a SHA-256 digest (RFC 6979, low S), as [`secp256k1::Secp256k1::sign_ecdsa`] does.
pub(super) fn sign_ecdsa(digest: &[u8; 32], key: &SecretKey) -> Signature {
    if Scalar::from_be_bytes(*digest).is_err() {
        // One digest in 2^128 is not below the order. RFC 6979 §2.3.4 reduces it, which the library does.
        return CURVE.sign_ecdsa(Message::from_digest(*digest), key);
    }
    // SAFETY: the context can sign and lives as long as the process. The digest and the key are 32 bytes each, and a
    // `SecretKey` is always valid. The signature is read only after the library wrote it. The library keeps no pointer.
    let (signed, signature) = unsafe {
        let mut signature = ffi::Signature::new();
        let signed = ffi::secp256k1_ecdsa_sign(
            CURVE.ctx().as_ptr(),
            &raw mut signature,
            digest.as_ptr(),
            key.as_c_ptr(),
            Some(nonce),
            ptr::null(),
        );
        (signed, signature)
    };
    if signed == 1 {
        Signature::from(signature)
    } else {
        // Only a failing nonce function leads here, and this one never fails.
        CURVE.sign_ecdsa(Message::from_digest(*digest), key)
    }
}

/// The nonce function: writes 32 bytes that depend on the digest and the key.
///
/// # Safety
/// libsecp256k1 calls it with pointers to 32 bytes each: a writable `nonce32`, and readable `msg32` and `key32`.
unsafe extern "C" fn nonce(
    nonce32: *mut c_uchar,
    msg32: *const c_uchar,
    key32: *const c_uchar,
    _algo16: *const c_uchar,
    _data: *mut c_void,
    attempt: c_uint,
) -> c_int {
    // SAFETY: the caller guarantees both pointers.
    let (digest, key) = unsafe { (&*msg32.cast::<[u8; 32]>(), &*key32.cast::<[u8; 32]>()) };
    let mut generator = Generator::new(key, digest);
    for _ in 0..attempt {
        generator.next();
        generator.reject();
    }
    let mut candidate = generator.next();
    // SAFETY: the caller guarantees the pointer.
    unsafe { nonce32.cast::<[u8; 32]>().write(candidate) };
    candidate.zeroize();
    1
}

/// HMAC-DRBG as RFC 6979 §3.2 uses it, steps b to h.
struct Generator {
    key: [u8; 32],
    value: [u8; 32],
}

impl Generator {
    fn new(key: &[u8; 32], digest: &[u8; 32]) -> Self {
        let mut generator = Self {
            key: [0; 32],
            value: [1; 32],
        };
        for step in [[0], [1]] {
            generator.key = generator.mac(&[&step, key, digest]);
            generator.value = generator.mac(&[]);
        }
        generator
    }

    fn next(&mut self) -> [u8; 32] {
        self.value = self.mac(&[]);
        self.value
    }

    /// Discards the last candidate.
    fn reject(&mut self) {
        self.key = self.mac(&[&[0]]);
        self.value = self.mac(&[]);
    }

    /// HMAC of the value, followed by these parts.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut block = [0; 64];
        let (head, _) = block.split_at_mut(32);
        head.copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&self.value);
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.key.zeroize();
        self.value.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The library's own nonce function.
    fn theirs(digest: &[u8; 32], key: &[u8; 32], attempt: c_uint) -> [u8; 32] {
        let mut nonce = [0; 32];
        let function = unsafe { ffi::secp256k1_nonce_function_rfc6979 }.unwrap();
        let made = unsafe {
            function(
                nonce.as_mut_ptr(),
                digest.as_ptr(),
                key.as_ptr(),
                ptr::null(),
                ptr::null_mut(),
                attempt,
            )
        };
        assert_eq!(made, 1);
        nonce
    }

    fn ours(digest: &[u8; 32], key: &[u8; 32], attempt: c_uint) -> [u8; 32] {
        let mut made = [0; 32];
        let (digest, key) = (digest.as_ptr(), key.as_ptr());
        let (none, out) = (ptr::null(), made.as_mut_ptr());
        assert_eq!(
            unsafe { nonce(out, digest, key, none, ptr::null_mut(), attempt) },
            1
        );
        made
    }

    #[test]
    fn digests_at_either_end_are_signed_alike() {
        let mut order = secp256k1::constants::CURVE_ORDER;
        let key = SecretKey::from_byte_array([7; 32]).unwrap();
        for digest in [[0; 32], order, [0xff; 32], {
            order[31] -= 1;
            order
        }] {
            let theirs = CURVE.sign_ecdsa(Message::from_digest(digest), &key);
            assert_eq!(sign_ecdsa(&digest, &key), theirs, "{digest:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nonces_are_the_librarys(digest: [u8; 32], key: [u8; 32], attempt in 0..4_u32) {
            prop_assert_eq!(ours(&digest, &key, attempt), theirs(&digest, &key, attempt));
        }

        #[test]
        fn signatures_are_the_librarys(digest: [u8; 32], key in any::<[u8; 32]>()) {
            let Ok(key) = SecretKey::from_byte_array(key) else { return Ok(()) };
            let theirs = CURVE.sign_ecdsa(Message::from_digest(digest), &key);
            prop_assert_eq!(sign_ecdsa(&digest, &key), theirs);
        }
    }
}
