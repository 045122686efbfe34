//! Valid and invalid forms, and properties of every input.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=----BsvPayment0123456789abcdef";
const BOUNDARY: &str = "----BsvPayment0123456789abcdef";
const PAYMENT: &str = "Content-Disposition: form-data; name=\"x-bsv-payment\"\r\nContent-Type: application/json\r\n\r\n{}";
const BODY: &str = "Content-Disposition: form-data; name=\"body\"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n[1]";
const NOTE: &str = "Content-Disposition: form-data; name=\"note\"\r\n\r\nhello";

fn form(parts: &[&str]) -> Vec<u8> {
    let mut form = String::new();
    for part in parts {
        let _ = write!(form, "--{BOUNDARY}\r\n{part}\r\n");
    }
    let _ = write!(form, "--{BOUNDARY}--\r\n");
    form.into_bytes()
}

fn parse(parts: &[&str]) -> Result<(), MultipartError> {
    MultipartBody::parse(TYPE, &form(parts)).map(drop)
}

/// The payment part with other headers.
fn payment(headers: &str) -> String {
    format!("{headers}\r\n\r\n{{}}")
}

#[test]
fn a_payment_and_the_body_that_it_pays_for_are_read() {
    let paid = |body: &'static [u8], content_type| MultipartBody::Paid {
        payment: b"{}",
        body,
        content_type,
    };
    let json = Some("application/json; charset=utf-8");
    for (parts, expected) in [
        (&[PAYMENT, BODY][..], paid(b"[1]", json)),
        (&[BODY, PAYMENT], paid(b"[1]", json)),
        (&[PAYMENT], paid(b"", None)),
        (&[BODY], MultipartBody::Ordinary),
        (&[NOTE, NOTE], MultipartBody::Ordinary),
        (&[], MultipartBody::Ordinary),
    ] {
        assert_eq!(MultipartBody::parse(TYPE, &form(parts)), Ok(expected));
    }
    // The epilogue may be missing, a boundary quoted, and a body binary.
    let body = b"--b\r\ncontent-disposition:form-data;name=body\r\n\r\n\r\n--\0\xff\r\n\r\n--b\r\n\
        CONTENT-TYPE:\tAPPLICATION/JSON ; charset=\"UTF-8\"\r\nContent-Disposition: Form-Data; filename=\"a\\\"b;c\"; name=x-bsv-payment\r\n\r\n\
        \r\n--b--";
    let read = MultipartBody::parse("Multipart/Form-Data ; Boundary = \"b\" ", body);
    assert_eq!(read, Err(MultipartError::ContentType), "a space before `=`");
    let read = MultipartBody::parse("Multipart/Form-Data ; Boundary=\"b\" ", body);
    let expected = MultipartBody::Paid {
        payment: b"",
        body: b"\r\n--\0\xff\r\n",
        content_type: None,
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn a_content_type_has_one_boundary_and_nothing_else() {
    let long = |length: usize| format!("multipart/form-data; boundary={}", "a".repeat(length));
    for (content_type, is_right) in [
        ("multipart/form-data; boundary=a", true),
        ("multipart/form-data;boundary=\"a-b_c\"", true),
        (&*long(70), true),
        (&*long(71), false),
        ("multipart/form-data", false),
        ("multipart/form-data;", false),
        ("multipart/form-data; boundary=", false),
        ("multipart/form-data; boundary=\"\"", false),
        ("multipart/form-data; boundary=\"a", false),
        ("multipart/form-data; boundary=\"a b\"", false),
        ("multipart/form-data; boundary=a b", false),
        ("multipart/form-data; boundary=a=b", false),
        ("multipart/form-data; boundary=a;", false),
        ("multipart/form-data; boundary=a; boundary=a", false),
        ("multipart/form-data; boundary=a; charset=utf-8", false),
        ("multipart/form-data; charset=utf-8", false),
        ("multipart/mixed; boundary=a", false),
    ] {
        assert_eq!(boundary(content_type).is_some(), is_right, "{content_type}");
    }
    for (content_type, is_form) in [
        (TYPE, true),
        ("MULTIPART/form-data", true),
        ("multipart/form-data-x; boundary=a", false),
        ("application/json; multipart/form-data", false),
        ("", false),
    ] {
        assert_eq!(is_multipart(content_type), is_form, "{content_type}");
    }
}

#[test]
fn delimiters_stand_where_they_must_and_nowhere_else() {
    let whole = String::from_utf8(form(&[PAYMENT])).unwrap();
    let boundary = format!("--{BOUNDARY}");
    for broken in [
        String::new(),
        "{}".to_owned(),
        // A preamble, an epilogue.
        format!("\r\n{whole}"),
        format!("hello\r\n{whole}"),
        format!("{whole}hello"),
        format!("{whole}\r\n"),
        // It breaks off.
        whole.replace("--\r\n", ""),
        whole.replace(&format!("\r\n{boundary}--"), ""),
        boundary.clone(),
        format!("{boundary}-"),
        format!("{boundary}\r\n"),
        // Other text after a delimiter.
        whole.replacen(&boundary, &format!("{boundary} "), 1),
        whole.replacen(&boundary, &format!("{boundary}x"), 1),
        whole.replacen("{}", &format!("{{\r\n{boundary}x\r\n}}"), 1),
        // Other line endings.
        whole.replace("\r\n", "\n"),
    ] {
        let read = MultipartBody::parse(TYPE, broken.as_bytes());
        assert_eq!(read, Err(MultipartError::Delimiter), "{broken:?}");
    }
}

#[test]
fn the_headers_of_a_part_are_two_at_most() {
    const NAME: &str = "Content-Disposition: form-data; name=\"x-bsv-payment\"";
    const JSON: &str = "Content-Type: application/json";
    let long = "a".repeat(129);
    for bad in [
        format!("{JSON}\r\n\r\n{{}}"),
        "\r\n{}".to_owned(),
        "{}".to_owned(),
        payment(&format!("{NAME}\r\n{NAME}\r\n{JSON}")),
        payment(&format!("{NAME}\r\n{JSON}\r\n{JSON}")),
        payment(&format!("{NAME}\r\n{JSON}\r\nContent-Length: 2")),
        payment(&format!(
            "{NAME}\r\n{JSON}\r\nContent-Transfer-Encoding: base64"
        )),
        payment(&format!("{NAME}\r\n{JSON}\r\n\u{e9}: 1")),
        payment(&format!("{NAME}; filename=\"\u{e9}\"\r\n{JSON}")),
        payment(&format!("{NAME}\r\n{JSON};\r\n charset=utf-8")),
        payment(&format!("{NAME}; name=\"body\"\r\n{JSON}")),
        payment(&format!("{NAME}; filename*=utf-8''a\r\n{JSON}")),
        payment(&format!("{NAME};\r\n{JSON}")),
        payment(&format!("{NAME} x\r\n{JSON}")),
        payment(&format!(
            "Content-Disposition: attachment; name=\"x-bsv-payment\"\r\n{JSON}"
        )),
        payment(&format!("Content-Disposition: form-data\r\n{JSON}")),
        payment(&format!(
            "Content-Disposition: form-data; name=\"\"\r\n{JSON}"
        )),
        payment(&format!(
            "Content-Disposition: form-data; name=\"a\r\n{JSON}"
        )),
        payment(&format!(
            "Content-Disposition: form-data; name=\"{long}\"\r\n{JSON}"
        )),
        payment(&format!(
            "Content-Disposition : form-data; name=\"x-bsv-payment\"\r\n{JSON}"
        )),
    ] {
        assert_eq!(parse(&[&bad]), Err(MultipartError::PartHeaders), "{bad}");
    }
    // The length of the block is limited, and the parser does not read beyond it.
    let filled = |length: usize| {
        let missing = length - NAME.len() - "; filename=\"\"".len();
        format!(
            "{NAME}; filename=\"{}\"\r\n{JSON}",
            "a".repeat(missing - JSON.len() - 2)
        )
    };
    assert_eq!(parse(&[&payment(&filled(MAX_PART_HEADER_BYTES))]), Ok(()));
    let over = payment(&filled(MAX_PART_HEADER_BYTES + 1));
    assert_eq!(parse(&[&over]), Err(MultipartError::PartHeaders));
}

#[test]
fn a_payment_stands_beside_a_body_only() {
    let all = |part, count| vec![part; count];
    for parts in [
        vec![PAYMENT, PAYMENT],
        vec![PAYMENT, BODY, BODY],
        vec![PAYMENT, NOTE],
        vec![NOTE, BODY, PAYMENT],
        vec![
            PAYMENT,
            "Content-Disposition: form-data; name=\"X-BSV-Payment\"\r\n\r\n",
        ],
    ] {
        assert_eq!(parse(&parts), Err(MultipartError::UnexpectedPart));
    }
    assert_eq!(parse(&all(NOTE, MAX_PARTS)), Ok(()));
    assert_eq!(
        parse(&all(NOTE, MAX_PARTS + 1)),
        Err(MultipartError::TooManyParts)
    );
}

#[test]
fn a_payment_is_json_and_a_body_says_what_it_is() {
    let named = |name: &str, content_type: &str| {
        format!(
            "Content-Disposition: form-data; name={name}\r\nContent-Type: {content_type}\r\n\r\n"
        )
    };
    for content_type in [
        "text/plain",
        "application/json; charset=latin1",
        "application/json; charset=utf-8; x=y",
        "application/json;",
        "application/jsonx",
        "",
    ] {
        let part = named("x-bsv-payment", content_type);
        assert_eq!(
            parse(&[&part]),
            Err(MultipartError::PaymentType),
            "{content_type}"
        );
    }
    let untyped = "Content-Disposition: form-data; name=x-bsv-payment\r\n\r\n{}";
    assert_eq!(parse(&[untyped]), Err(MultipartError::PaymentType));
    let long = |length: usize| format!("a/b; c={}", "d".repeat(length - 7));
    for (content_type, is_right) in [
        ("application/octet-stream", true),
        ("multipart/form-data; boundary=inner", true),
        (&*long(1_024), true),
        (&*long(1_025), false),
        ("json", false),
        ("/json", false),
        ("application/", false),
        ("a/b/c", false),
        ("", false),
    ] {
        let read = parse(&[PAYMENT, &named("body", content_type)]);
        let expected = if is_right {
            Ok(())
        } else {
            Err(MultipartError::BodyType)
        };
        assert_eq!(read, expected, "{content_type}");
    }
    let sized = |size: usize| format!("{}{}", PAYMENT.trim_end_matches("{}"), " ".repeat(size));
    assert_eq!(parse(&[&sized(MAX_PAYMENT_BYTES)]), Ok(()));
    let over = sized(MAX_PAYMENT_BYTES + 1);
    assert_eq!(parse(&[&over]), Err(MultipartError::PaymentTooLarge));
}

proptest! {
    #[test]
    fn whatever_is_put_in_comes_out(
        payment in proptest::collection::vec(any::<u8>(), 0..200),
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        boundary in "[A-Za-z0-9'+_.-]{8,70}",
    ) {
        let delimiter = format!("--{boundary}");
        let holds = |bytes: &[u8]| memmem::find(bytes, delimiter.as_bytes()).is_some();
        prop_assume!(!holds(&payment) && !body.as_deref().is_some_and(holds));
        let mut form = Vec::new();
        let mut put = |head: &str, content: &[u8]| {
            form.extend_from_slice(format!("{delimiter}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
            form.extend_from_slice(content);
            form.extend_from_slice(CRLF);
        };
        put("name=\"x-bsv-payment\"\r\nContent-Type: application/json", &payment);
        if let Some(body) = &body {
            put("name=\"body\"\r\nContent-Type: text/plain", body);
        }
        form.extend_from_slice(format!("{delimiter}--").as_bytes());
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let expected = MultipartBody::Paid {
            payment: &payment,
            body: body.as_deref().unwrap_or_default(),
            content_type: body.as_ref().map(|_| "text/plain"),
        };
        prop_assert_eq!(MultipartBody::parse(&content_type, &form), Ok(expected));
        // Every truncated form is refused.
        for end in 0..form.len() {
            prop_assert!(MultipartBody::parse(&content_type, &form[..end]).is_err());
        }
    }

    #[test]
    fn nothing_that_comes_panics(
        content_type in "multipart/form-data; ?boundary=\"?a\"?",
        pieces in proptest::collection::vec(prop_oneof![
            Just("--a"), Just("\r\n"), Just("\r\n--a"), Just("--"), Just("\r\n\r\n"), Just("\""),
            Just("Content-Disposition: form-data; name=\"x-bsv-payment\""),
            Just("Content-Disposition: form-data; name=body"), Just("Content-Type: application/json"),
            Just("; filename=\"\\\""), Just("{}"), Just("\u{ff}"),
        ], 0..24),
    ) {
        let body = pieces.concat().into_bytes();
        if let Ok(MultipartBody::Paid { payment, body: inner, .. }) = MultipartBody::parse(&content_type, &body) {
            prop_assert!(payment.len() + inner.len() <= body.len());
        }
    }
}
