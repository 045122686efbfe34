//! Golden vectors made with `@bsv/sdk` 2.1.0, and properties.

use proptest::prelude::*;

use super::*;
use crate::auth::{Counterparty, Identity, KeyId, Protocol};

const CLIENT_NONCE: &str = "MDEyMzQ1Njc4OTo7PD0+P2RXFNzpN/Uuee3wbjn8sOufzwLo+x5u0QOQmi78E0KK";
const SERVER_NONCE: &str = "QUJDREVGR0hJSktMTU5PUCNZnEWQVoCquX0+87cMWjv6VTeHUUh89SUS8X2A7ufO";
const REQUEST_NONCE: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";
const RESPONSE_NONCE: &str = "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";

fn request_id() -> [u8; 32] {
    std::array::from_fn(|index| u8::try_from(index).unwrap())
}

fn identity(last_byte: u8) -> Identity {
    let mut bytes = [0; 32];
    bytes[31] = last_byte;
    Identity::from_bytes(bytes).unwrap()
}

fn request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (Vec<u8>, [u8; 32]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    let signed = SignedRequest {
        request_id: &request_id(),
        method,
        path,
        query,
        headers: &signed_headers(headers, Direction::Request).unwrap(),
        body: body.as_bytes(),
    };
    let mut bytes = Vec::new();
    signed.write(&mut bytes);
    (bytes, signed.digest())
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> (Vec<u8>, [u8; 32]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    let signed = SignedResponse {
        request_id: &request_id(),
        status,
        headers: &signed_headers(headers, Direction::Response).unwrap(),
        body: body.as_bytes(),
    };
    let mut bytes = Vec::new();
    signed.write(&mut bytes);
    (bytes, signed.digest())
}

/// Asserts the bytes, and that `signer` (seen from `verifier`) signed them.
fn signed_by(signer: u8, verifier: u8, key_id: KeyId<'_>, digest: &[u8; 32], signature: &str) {
    let counterparty = Counterparty::Other(identity(signer).identity_key());
    let keys = identity(verifier).pair(counterparty).unwrap();
    let signature = hex::decode(signature).unwrap();
    keys.verify(&Protocol::AUTH_SIGNATURE, key_id, digest, &signature)
        .unwrap();
    // RFC 6979 is deterministic, so our own signature is the same one.
    let own = identity(signer)
        .pair(Counterparty::Other(identity(verifier).identity_key()))
        .unwrap();
    let made = own.sign(&Protocol::AUTH_SIGNATURE, key_id, digest).unwrap();
    assert_eq!(made.to_vec(), signature);
}

#[test]
fn a_post_with_a_json_body() {
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("x-bsv-auth-nonce", "unsigned"),
        ("accept", "*/*"),
    ];
    let body = r#"{"messageBox":"inbox"}"#;
    let (bytes, digest) = request("POST", "/listMessages", "", &headers, body);
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f04504f53540d2f6c6973744d65737361676573ffffffffffffffffff010c636f6e74656e742d74797065106170706c69636174696f6e2f6a736f6e167b226d657373616765426f78223a22696e626f78227d"
    );
    let key_id = KeyId::Pair(REQUEST_NONCE, SERVER_NONCE);
    signed_by(
        11,
        5,
        key_id,
        &digest,
        "304402203ad59650bb6d41a98b0edb5cc1ac25f4e43a863b63e08644a92f308e2c55794d02200c2476a34dc41b55e4e2956c159d6700bc2eec3ebb66763461aca7dd4d81363c",
    );
}

#[test]
fn a_get_with_a_query_and_no_body() {
    let query = "recipient=03774ae7f858a9411e5ef4246b70c65aac5649980be5c17891bbec17895da008cb&messageBox=inbox";
    let (bytes, digest) = request("GET", "/permissions/quote", query, &[], "");
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f03474554122f7065726d697373696f6e732f71756f74655e3f726563697069656e743d303337373461653766383538613934313165356566343234366237306336356161633536343939383062653563313738393162626563313738393564613030386362266d657373616765426f783d696e626f7800ffffffffffffffffff"
    );
    let key_id = KeyId::Pair(REQUEST_NONCE, SERVER_NONCE);
    signed_by(
        11,
        5,
        key_id,
        &digest,
        "304402206d828d87f500c6554d9aad2dcd40a59714a849abbde7c298fe0b05c896af6a30022039e24d686397cbd68b1f6e58aabbb1e187ce4552c3f9436e27c02a8857c3d52d",
    );
}

#[test]
fn a_multipart_content_type_is_signed_whole() {
    let signed = |value: &str| {
        let headers = [("content-type", value.as_bytes())];
        let signed = signed_headers(headers.into_iter(), Direction::Request).unwrap();
        signed[0].1.clone()
    };
    let boundary = "multipart/form-data; boundary=----BsvPayment00";
    for (value, expected) in [
        (boundary, boundary),
        (
            " multipart/form-data;boundary=\"A\" ",
            "multipart/form-data;boundary=\"A\"",
        ),
        (
            "Multipart/Form-Data ; boundary=A",
            "Multipart/Form-Data ; boundary=A",
        ),
        ("multipart/form-data", "multipart/form-data"),
        ("multipart/mixed; boundary=a", "multipart/mixed"),
        ("multipart/form-data-x; boundary=a", "multipart/form-data-x"),
        ("application/json; charset=utf-8", "application/json"),
    ] {
        assert_eq!(signed(value), expected);
    }
    // Two boundaries are two values.
    let headers = [
        ("content-type", &b"multipart/form-data; boundary=a"[..]),
        ("content-type", b"multipart/form-data; boundary=b"),
    ];
    assert_eq!(
        signed_headers(headers.into_iter(), Direction::Request),
        Err(CanonicalError::RepeatedHeader)
    );
}

#[test]
fn headers_are_selected_and_sorted() {
    let headers = [
        ("x-bsv-payment", r#"{"a":1}"#),
        ("content-type", "application/json"),
        ("authorization", "Bearer z"),
        ("x-bsv-auth-identity-key", "unsigned"),
    ];
    let (bytes, _) = request("POST", "/sendMessage", "", &headers, "{}");
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f04504f53540c2f73656e644d657373616765ffffffffffffffffff030d617574686f72697a6174696f6e08426561726572207a0c636f6e74656e742d74797065106170706c69636174696f6e2f6a736f6e0d782d6273762d7061796d656e74077b2261223a317d027b7d"
    );
}

#[test]
fn a_response_signs_no_content_type() {
    let headers = [("content-type", "application/json")];
    let (bytes, digest) = response(200, &headers, r#"{"status":"success","messages":[]}"#);
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fc800227b22737461747573223a2273756363657373222c226d65737361676573223a5b5d7d"
    );
    let key_id = KeyId::Pair(RESPONSE_NONCE, CLIENT_NONCE);
    signed_by(
        5,
        11,
        key_id,
        &digest,
        "304502210082b7ae121099daf2de097782d486c5fa759c9fcf2727d196057815b911b9517a02202341ecc5e964242f78fffa2c1e382cdcc8c7abcea418b9f7c9b9619a2b418671",
    );
}

#[test]
fn a_response_with_headers() {
    let headers = [
        ("x-bsv-payment-version", "1.0"),
        ("x-bsv-payment-satoshis-required", "10"),
        ("x-bsv-payment-derivation-prefix", "AAA="),
    ];
    let (bytes, _) = response(402, &headers, "{}");
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1ffd9201031f782d6273762d7061796d656e742d64657269766174696f6e2d707265666978044141413d1f782d6273762d7061796d656e742d7361746f736869732d726571756972656402313015782d6273762d7061796d656e742d76657273696f6e03312e30027b7d"
    );
}

#[test]
fn an_empty_response_body_has_length_zero() {
    let (bytes, _) = response(204, &[], "");
    assert_eq!(
        hex::encode(bytes),
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fcc0000"
    );
}

#[test]
fn a_header_that_is_repeated_differently_is_refused() {
    let twice = |one: &'static str, other: &'static str| {
        let headers = [
            ("x-bsv-payment", one.as_bytes()),
            ("x-bsv-payment", other.as_bytes()),
        ];
        signed_headers(headers.into_iter(), Direction::Request)
    };
    assert_eq!(twice("a", "b"), Err(CanonicalError::RepeatedHeader));
    assert_eq!(twice("a", "a").unwrap().len(), 1);
}

#[test]
fn headers_sort_and_read_as_the_sdks_have_them() {
    let headers = [
        ("x-bsv-a-b", b"2".as_slice()),
        ("x-bsv-ab", b"4"),
        ("x-bsv-a_b", b"1"),
        ("x-bsv-a0", b"3"),
        ("authorization", &[b'z', 0xe9]),
    ];
    let signed = signed_headers(headers.into_iter(), Direction::Response).unwrap();
    let values: Vec<&str> = signed.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["z\u{e9}", "1", "2", "3", "4"]);
}

/// The signed bytes do not depend on the order of the headers.
#[test]
fn headers_have_one_order() {
    let headers = [("x-bsv-,", b"1".as_slice()), ("x-bsv-_", b"2")];
    let reversed = [headers[1], headers[0]];
    let [one, other] = [headers, reversed]
        .map(|headers| signed_headers(headers.into_iter(), Direction::Request).unwrap());
    assert_eq!(one, other);
}

proptest! {
    /// No part of a request can pass for another.
    #[test]
    fn different_requests_sign_different_bytes(
        one in ("[A-Z]{1,4}", "/[a-z]{0,3}", "[a-z]{0,3}", "[a-z]{0,3}"),
        other in ("[A-Z]{1,4}", "/[a-z]{0,3}", "[a-z]{0,3}", "[a-z]{0,3}"),
    ) {
        let (first, _) = request(&one.0, &one.1, &one.2, &[], &one.3);
        let (second, _) = request(&other.0, &other.1, &other.2, &[], &other.3);
        prop_assert_eq!(first == second, one == other);
    }

    #[test]
    fn lengths_of_every_size_are_written(length in 0_usize..70_000) {
        let mut bytes = Vec::new();
        put_length(&mut bytes, length);
        let read = match bytes.as_slice() {
            [byte] => usize::from(*byte),
            [0xfd, low, high] => usize::from(u16::from_le_bytes([*low, *high])),
            [0xfe, rest @ ..] => u32::from_le_bytes(rest.try_into().unwrap()).try_into().unwrap(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(read, length);
    }
}
