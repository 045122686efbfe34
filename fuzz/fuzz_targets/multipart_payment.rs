//! Payments in a body (BRC-118): all parts are parts of the body, and written again they read the same.
//!
//! Input: a content type, a zero byte, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::payments::{MAX_PAYMENT_BYTES, MultipartBody, is_multipart};
use messagebox_fuzz::memory;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == 0) else {
        return;
    };
    let (content_type, body) = (&data[..end], &data[end + 1..]);
    let Ok(content_type) = std::str::from_utf8(content_type) else {
        return;
    };
    // Its allocations do not grow with the body.
    let read = memory::within(0, 0, || MultipartBody::parse(content_type, body));
    let Ok(read) = read else { return };
    assert!(is_multipart(content_type));
    let MultipartBody::Paid {
        payment,
        body: inner,
        content_type: inner_type,
    } = read
    else {
        return;
    };
    assert!(payment.len() <= MAX_PAYMENT_BYTES);
    assert!(payment.len() + inner.len() < body.len());
    let boundary = "-".repeat(70);
    let holds = |bytes: &[u8]| {
        let mut windows = bytes.windows(boundary.len());
        windows.any(|window| window == boundary.as_bytes())
    };
    if holds(payment) || holds(inner) {
        return;
    }
    let mut again = Vec::new();
    let mut part = |head: &str, content: &[u8]| {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        again.extend_from_slice(head.as_bytes());
        again.extend_from_slice(content);
        again.extend_from_slice(b"\r\n");
    };
    part(
        "name=\"x-bsv-payment\"\r\nContent-Type: application/json",
        payment,
    );
    let typed = inner_type.map_or_else(String::new, |typed| format!("\r\nContent-Type: {typed}"));
    part(&format!("name=\"body\"{typed}"), inner);
    again.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    assert_eq!(MultipartBody::parse(&content_type, &again), Ok(read));
});
