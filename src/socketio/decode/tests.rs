//! The encoding of packets, from the protocol's own examples, and properties.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn event(ack: Option<u64>, data: &str) -> Body {
    Body::Event(EventBody {
        ack,
        data: data.to_owned(),
        attachments: Vec::new(),
    })
}

fn ack(ack: u64, data: &str) -> Body {
    Body::Ack(AckBody {
        ack,
        data: data.to_owned(),
        attachments: Vec::new(),
    })
}

fn packet(namespace: &str, body: Body) -> SocketIoPacket {
    SocketIoPacket {
        namespace: Namespace::new(namespace),
        body,
    }
}

#[test]
fn packets_round_trip_as_the_protocol_shows() {
    let cases = [
        ("0", packet("/", Body::Connect(None))),
        (
            r#"0{"token":"123"}"#,
            packet("/", Body::Connect(Some(r#"{"token":"123"}"#.into()))),
        ),
        ("0/admin,", packet("/admin", Body::Connect(None))),
        (
            r#"0/admin,{"sid":"x"}"#,
            packet("/admin", Body::Connect(Some(r#"{"sid":"x"}"#.into()))),
        ),
        ("1", packet("/", Body::Disconnect)),
        ("1/admin,", packet("/admin", Body::Disconnect)),
        (r#"2["foo"]"#, packet("/", event(None, r#"["foo"]"#))),
        (
            r#"2/admin,["bar"]"#,
            packet("/admin", event(None, r#"["bar"]"#)),
        ),
        (
            r#"212["foo",1,"2",{"3":[true]}]"#,
            packet("/", event(Some(12), r#"["foo",1,"2",{"3":[true]}]"#)),
        ),
        (r#"20["foo"]"#, packet("/", event(Some(0), r#"["foo"]"#))),
        (
            r#"2[7,"numbers are names too"]"#,
            packet("/", event(None, r#"[7,"numbers are names too"]"#)),
        ),
        ("3/admin,13[]", packet("/admin", ack(13, "[]"))),
        (
            r#"4{"message":"Not authorized"}"#,
            packet(
                "/",
                Body::ConnectError(r#"{"message":"Not authorized"}"#.into()),
            ),
        ),
    ];
    for (wire, packet) in cases {
        assert_eq!(decode(wire, 9), Ok((packet.clone(), 0)), "{wire}");
        assert_eq!(packet.encode(), wire);
    }
}

#[test]
fn a_missing_comma_and_a_query_are_forgiven() {
    assert_eq!(
        decode("0/custom", 9),
        Ok((packet("/custom", Body::Connect(None)), 0))
    );
    assert_eq!(
        decode("1/custom", 9),
        Ok((packet("/custom", Body::Disconnect), 0))
    );
    assert_eq!(
        decode("0/custom?token=1,", 9),
        Ok((packet("/custom", Body::Connect(None)), 0))
    );
}

#[test]
fn attachments_are_announced() {
    let wire = r#"52-/admin,7["hello",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1}]}]"#;
    let (packet, attachments) = decode(wire, 9).unwrap();
    assert_eq!(attachments, 2);
    let Body::Event(mut body) = packet.body else {
        panic!("an event")
    };
    body.attachments = vec![Bytes::new(), Bytes::new()];
    let whole = SocketIoPacket {
        namespace: packet.namespace,
        body: Body::Event(body),
    };
    assert_eq!(whole.encode(), wire);
    let (packet, attachments) = decode(r#"61-15[{"_placeholder":true,"num":0}]"#, 9).unwrap();
    assert!(matches!(packet.body, Body::Ack(AckBody { ack: 15, .. })) && attachments == 1);
}

#[test]
fn what_is_no_packet_is_refused() {
    use SocketIoDecodeError as E;
    let cases = [
        ("", E::Empty),
        ("abc", E::UnknownType),
        ("7", E::UnknownType),
        ("0[]", E::Data),
        ("0nope", E::Data),
        ("01{}x", E::Data),
        ("1{}", E::Data),
        ("2", E::Data),
        ("2{}", E::Data),
        ("2[]", E::Data),
        ("2[{}]", E::Data),
        ("2[null]", E::Data),
        ("2abc[\"x\"]", E::Data),
        ("2[\"x\"", E::Data),
        ("2[\"x\"]]", E::Data),
        ("2[\"x\", ]", E::Data),
        ("2[\"connect\"]", E::ReservedName),
        ("2[\"disconnecting\",1]", E::ReservedName),
        ("299999999999999999999[\"x\"]", E::AckId),
        ("3[]", E::AckId),
        ("31{}", E::Data),
        ("4", E::Data),
        ("5[\"x\"]", E::AttachmentCount),
        ("5-[\"x\"]", E::AttachmentCount),
        ("5+1-[\"x\"]", E::AttachmentCount),
        ("510-[\"x\"]", E::TooManyAttachments),
        (r#"51-["x",{"_placeholder":true,"num":1}]"#, E::Data),
        (r#"51-["x",{"_placeholder":true,"num":-1}]"#, E::Data),
        (r#"51-["x",{"_placeholder":true}]"#, E::Data),
    ];
    for (wire, error) in cases {
        assert_eq!(decode(wire, 9), Err(error), "{wire}");
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("[\"x\",{}{}]", "[".repeat(50_000), "]".repeat(50_000));
    assert!(decode(&format!("2{deep}"), 9).is_ok());
    let with_placeholders = decode(&format!("51-{deep}"), 9).map(|_| "decoded");
    assert_eq!(with_placeholders, Err(SocketIoDecodeError::Data));
}

#[test]
fn names_and_first_arguments_are_read_without_the_rest() {
    let body = |data: &str| EventBody {
        ack: None,
        data: data.into(),
        attachments: vec![],
    };
    let event = body(r#" ["auth\u004dessage", {"a": [1]} , 2]"#);
    assert_eq!(event.name(), "authMessage");
    assert_eq!(event.first_argument(), Some(r#"{"a": [1]}"#));
    assert_eq!(body(r#"["x"]"#).first_argument(), None);
    assert_eq!(body("[7,8]").name(), "7");
}

fn json_array(first: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (first, proptest::collection::vec("[a-z]{0,5}", 0..4))
        .prop_map(|(first, rest)| serde_json::to_string(&[vec![first], rest].concat()).unwrap())
}

fn any_packet() -> impl Strategy<Value = SocketIoPacket> {
    let name = "x[a-z \"é]{0,8}";
    let body = prop_oneof![
        Just(Body::Connect(None)),
        "[a-z\"]{0,9}"
            .prop_map(|text| Body::Connect(Some(serde_json::json!({"a": text}).to_string()))),
        Just(Body::Disconnect),
        (proptest::option::of(any::<u64>()), json_array(name.boxed()))
            .prop_map(|(ack, data)| event(ack, &data)),
        (any::<u64>(), json_array("[a-z]{0,3}".boxed())).prop_map(|(id, data)| ack(id, &data)),
        "[a-z]{0,9}"
            .prop_map(|text| Body::ConnectError(serde_json::json!({"message": text}).to_string())),
    ];
    ("(/[a-z0-9]{0,9})?", body).prop_map(|(namespace, body)| packet(&namespace, body))
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(packet in any_packet()) {
        prop_assert_eq!(decode(&packet.encode(), 9), Ok((packet, 0)));
    }

    #[test]
    fn no_text_makes_decoding_panic(text in ".{0,100}") {
        let _ = decode(&text, 9);
    }

    #[test]
    fn no_packet_like_text_makes_decoding_panic(text in r#"[0-7][0-9]{0,3}-?(/[a-z]{0,3},)?[0-9]{0,25}[\[\]{}",:a-z0-9]{0,30}"#) {
        let _ = decode(&text, 9);
    }
}
