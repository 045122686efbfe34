//! BRC-104 canonical bytes: an independent reader finds the signed parts in them, so no two requests sign the same
//! bytes.
//!
//! Input: method, path, query, body, then names and values of headers in turn, divided by zero bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messagebox::auth::canonical::{Direction, SignedRequest, SignedResponse, signed_headers};
use messagebox::auth::sha256;
use messagebox_fuzz::cut;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Returns none for -1.
    fn length(&mut self) -> Option<u64> {
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        Some(match self.take(1)[0] {
            0xff => {
                let number = number(self.take(8));
                return (number != u64::MAX).then_some(number);
            }
            0xfe => number(self.take(4)),
            0xfd => number(self.take(2)),
            small => small.into(),
        })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length()?).unwrap();
        Some(self.take(length))
    }

    fn headers(&mut self) -> Vec<(&'a [u8], &'a [u8])> {
        let count = self.length().unwrap();
        (0..count)
            .map(|_| (self.bytes().unwrap(), self.bytes().unwrap()))
            .collect()
    }
}

fn check_headers(headers: &[(String, String)], direction: Direction) {
    let names: Vec<&str> = headers.iter().map(|(name, _)| &**name).collect();
    for name in &names {
        let is_signed = *name == "authorization"
            || (*name == "content-type" && direction == Direction::Request)
            || (name.starts_with("x-bsv-") && !name.starts_with("x-bsv-auth"));
        assert!(is_signed, "{name}");
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
    }
    let again = headers
        .iter()
        .rev()
        .map(|(name, value)| (&**name, value.as_bytes()));
    assert_eq!(
        signed_headers(again, direction).as_deref(),
        Ok(headers),
        "once chosen, always chosen"
    );
}

fuzz_target!(|data: &[u8]| {
    let pieces: Vec<&[u8]> = cut::pieces(data).collect();
    let text = |index: usize| std::str::from_utf8(pieces.get(index).unwrap_or(&&b""[..]));
    let (Ok(method), Ok(path), Ok(query)) = (text(0), text(1), text(2)) else {
        return;
    };
    let body = pieces.get(3).copied().unwrap_or_default();
    let pairs = || {
        let pairs = pieces.get(4..).unwrap_or_default().chunks_exact(2);
        pairs.filter_map(|pair| Some((std::str::from_utf8(pair[0]).ok()?, pair[1])))
    };
    let request_id = &[9; 32];
    if let Ok(headers) = signed_headers(pairs(), Direction::Request) {
        check_headers(&headers, Direction::Request);
        let request = SignedRequest {
            request_id,
            method,
            path,
            query,
            headers: &headers,
            body,
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes);
        assert_eq!(sha256(&bytes), request.digest());
        let mut reader = Reader(&bytes);
        assert_eq!(reader.take(32), request_id);
        assert_eq!(reader.bytes(), Some(method.as_bytes()));
        assert_eq!(reader.bytes().unwrap_or_default(), path.as_bytes());
        let search = if query.is_empty() {
            String::new()
        } else {
            format!("?{query}")
        };
        assert_eq!(reader.bytes().unwrap_or_default(), search.as_bytes());
        let expected: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        assert_eq!(reader.headers(), expected);
        assert_eq!(reader.bytes().unwrap_or_default(), body);
        assert!(reader.0.is_empty());
    }
    if let Ok(headers) = signed_headers(pairs(), Direction::Response) {
        check_headers(&headers, Direction::Response);
        let status = u16::try_from(data.len()).unwrap_or(200);
        let response = SignedResponse {
            request_id,
            status,
            headers: &headers,
            body,
        };
        let mut bytes = Vec::new();
        response.write(&mut bytes);
        assert_eq!(sha256(&bytes), response.digest());
        let mut reader = Reader(&bytes);
        assert_eq!(reader.take(32), request_id);
        assert_eq!(reader.length(), Some(status.into()));
        assert_eq!(reader.headers().len(), headers.len());
        assert_eq!(
            reader.bytes(),
            Some(body),
            "an empty body has a length here"
        );
        assert!(reader.0.is_empty());
    }
});
