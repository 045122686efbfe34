//! What a client may do when.

use std::time::Duration;

use proptest::prelude::*;

use super::super::error::SocketIoDecodeError;
use super::*;

fn open() -> (SocketIoClient, Instant) {
    let now = Instant::now();
    let config = SocketIoConfig {
        connect_timeout: Duration::from_secs(1),
        namespaces: vec![Namespace::main(), Namespace::new("/custom")],
        max_attachments: 2,
        max_attachment_bytes: 10,
        max_json_depth: 4,
    };
    (SocketIoClient::new(Arc::new(config), now), now)
}

fn joined() -> SocketIoClient {
    let (mut connection, _) = open();
    connection.handle_text("0").unwrap();
    let asked = connection.poll_event();
    assert_eq!(
        asked,
        Some(SocketIoEvent::Connect {
            namespace: Namespace::main(),
            payload: None
        })
    );
    assert!(
        connection
            .accept(&Namespace::main(), Sid::random())
            .is_some()
    );
    connection
}

#[test]
fn joining_is_asked_for_and_confirmed_with_a_sid() {
    let (mut connection, _) = open();
    connection.handle_text(r#"0/custom,{"token":1}"#).unwrap();
    let namespace = Namespace::new("/custom");
    let payload = Some(r#"{"token":1}"#.to_owned());
    assert_eq!(
        connection.poll_event(),
        Some(SocketIoEvent::Connect {
            namespace: namespace.clone(),
            payload
        })
    );
    assert!(!connection.is_joined(&namespace));
    let sid = Sid::random();
    let confirmed = connection.accept(&namespace, sid).unwrap();
    assert_eq!(confirmed.encode(), format!(r#"0/custom,{{"sid":"{sid}"}}"#));
    assert!(connection.is_joined(&namespace) && !connection.is_joined(&Namespace::main()));
    assert_eq!(connection.accept(&namespace, sid), None);
}

#[test]
fn an_unknown_namespace_is_refused_and_the_rest_goes_on() {
    let mut connection = joined();
    connection.handle_text("0/random").unwrap();
    let refused = connection.poll_transmit().unwrap().encode();
    assert_eq!(refused, r#"4/random,{"message":"Invalid namespace"}"#);
    assert_eq!(connection.poll_event(), None);
    connection.handle_text(r#"2["x"]"#).unwrap();
    assert!(connection.poll_event().is_some());
}

#[test]
fn an_application_may_refuse() {
    let (mut connection, now) = open();
    connection.handle_text("0").unwrap();
    let refused = connection.refuse(&Namespace::main(), "no").unwrap();
    assert_eq!(refused.encode(), r#"4{"message":"no"}"#);
    assert!(
        connection
            .handle_timeout(now + Duration::from_secs(1))
            .is_err()
    );
}

#[test]
fn leaving_one_namespace_leaves_the_others() {
    let mut connection = joined();
    let custom = Namespace::new("/custom");
    connection.handle_text("0/custom").unwrap();
    assert!(connection.poll_event().is_some());
    assert!(connection.accept(&custom, Sid::random()).is_some());
    connection.handle_text("1/custom").unwrap();
    assert_eq!(
        connection.poll_event(),
        Some(SocketIoEvent::Disconnect {
            namespace: custom.clone()
        })
    );
    connection.handle_text(r#"2/custom,["under way"]"#).unwrap();
    assert_eq!(connection.poll_event(), None);
    connection.handle_text(r#"2["x"]"#).unwrap();
    assert!(connection.poll_event().is_some());
    connection.handle_text("0/custom").unwrap();
    assert!(matches!(
        connection.poll_event(),
        Some(SocketIoEvent::Connect { .. })
    ));
}

#[test]
fn the_server_may_put_a_client_out() {
    let mut connection = joined();
    assert_eq!(
        connection.disconnect(&Namespace::main()).unwrap().encode(),
        "1"
    );
    assert_eq!(connection.disconnect(&Namespace::main()), None);
}

#[test]
fn events_and_acks_come_with_their_attachments() {
    let mut connection = joined();
    let data = r#"["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    connection.handle_text(&format!("52-3{data}")).unwrap();
    connection
        .handle_binary(Bytes::from_static(&[1, 2, 3]))
        .unwrap();
    assert_eq!(connection.poll_event(), None);
    connection
        .handle_binary(Bytes::from_static(&[4, 5, 6]))
        .unwrap();
    let body = EventBody {
        ack: Some(3),
        data: data.to_owned(),
        attachments: vec![
            Bytes::from_static(&[1, 2, 3]),
            Bytes::from_static(&[4, 5, 6]),
        ],
    };
    assert_eq!(
        connection.poll_event(),
        Some(SocketIoEvent::Event {
            namespace: Namespace::main(),
            body
        })
    );
    connection
        .handle_text(r#"61-9[{"_placeholder":true,"num":0}]"#)
        .unwrap();
    connection.handle_binary(Bytes::from_static(&[7])).unwrap();
    assert!(matches!(
        connection.poll_event(),
        Some(SocketIoEvent::Ack {
            body: AckBody { ack: 9, .. },
            ..
        })
    ));
}

#[test]
fn attachments_out_of_place_or_too_large_close() {
    let header = r#"51-["m",{"_placeholder":true,"num":0}]"#;
    let mut connection = joined();
    let lonely = connection.handle_binary(Bytes::from_static(&[1]));
    assert_eq!(lonely, Err(ProtocolError::UnexpectedAttachment));
    connection.handle_text(header).unwrap();
    assert_eq!(
        connection.handle_text(r#"2["x"]"#),
        Err(ProtocolError::AttachmentsMissing)
    );
    let mut connection = joined();
    connection.handle_text(header).unwrap();
    let large = connection.handle_binary(Bytes::from_static(&[0; 11]));
    assert_eq!(large, Err(ProtocolError::AttachmentsTooLarge));
    let many = r#"53-["m"]"#;
    let refused = ProtocolError::Decode(SocketIoDecodeError::TooManyAttachments);
    assert_eq!(joined().handle_text(many), Err(refused));
}

#[test]
fn json_that_is_nested_too_deeply_closes() {
    assert_eq!(joined().handle_text(r#"2["x",[[{}]]]"#), Ok(()));
    let refused = ProtocolError::Decode(SocketIoDecodeError::TooDeep);
    assert_eq!(joined().handle_text(r#"2["x",[[[{}]]]]"#), Err(refused));
    assert_eq!(open().0.handle_text(r#"0{"a":[[[[]]]]}"#), Err(refused));
}

#[test]
fn packets_before_or_without_joining_close() {
    for text in [r#"2["x"]"#, "1", "30[]", r#"2/custom,["x"]"#] {
        assert_eq!(
            open().0.handle_text(text),
            Err(ProtocolError::NotJoined),
            "{text}"
        );
    }
    let (mut asked, _) = open();
    asked.handle_text("0").unwrap();
    assert_eq!(
        asked.handle_text(r#"2["x"]"#),
        Err(ProtocolError::NotJoined)
    );
    let wrong = joined().handle_text(r#"4{"message":"I am the server"}"#);
    assert_eq!(wrong, Err(ProtocolError::WrongDirection));
}

#[test]
fn malformed_packets_close() {
    for text in ["abc", "2{}", r#"2abc["x"]"#] {
        let refused = joined().handle_text(text);
        assert!(matches!(refused, Err(ProtocolError::Decode(_))), "{text}");
    }
}

#[test]
fn joining_twice_is_ignored() {
    let mut connection = joined();
    connection.handle_text("0").unwrap();
    assert_eq!(
        (connection.poll_event(), connection.poll_transmit()),
        (None, None)
    );
}

#[test]
fn the_first_namespace_must_be_joined_in_time() {
    let (mut connection, now) = open();
    let deadline = now + Duration::from_secs(1);
    assert_eq!(connection.poll_timeout(), Some(deadline));
    assert_eq!(connection.handle_timeout(now), Ok(()));
    assert_eq!(
        connection.handle_timeout(deadline),
        Err(ProtocolError::ConnectTimeout)
    );
    let connection = joined();
    assert_eq!(connection.poll_timeout(), None);
}

proptest! {
    #[test]
    fn no_sequence_makes_it_panic(
        messages in proptest::collection::vec((".{0,20}", proptest::bool::ANY), 0..10),
    ) {
        let mut connection = joined();
        for (text, is_text) in messages {
            let _ = if is_text {
                connection.handle_text(&text)
            } else {
                connection.handle_binary(Bytes::from(text))
            };
        }
    }
}
