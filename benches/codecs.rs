//! Engine.IO and Socket.IO codecs on an event of 1 KiB.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use bytestring::ByteString;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use messagebox::engineio::{Frame, Packet as EnginePacket, decode_payload, encode_payload};
use messagebox::socketio::{Body, EventBody, Namespace, SocketIoPacket, decode};

fn codecs(criterion: &mut Criterion) {
    let data = format!("[\"message\",\"{}\"]", "x".repeat(1024 - 13));
    let event = SocketIoPacket {
        namespace: Namespace::main(),
        body: Body::Event(EventBody {
            ack: None,
            data,
            attachments: Vec::new(),
        }),
    };
    let text = event.encode();
    let frame = Frame::message_with(text.len(), |out| out.push_str(&text));
    let Frame::Text(wire) = &frame else { return };
    let wire = ByteString::from(wire.to_string());
    let frames = vec![frame.clone(); 16];
    let payload = bytes::Bytes::from(encode_payload(&frames));

    let mut group = criterion.benchmark_group("1 KiB event");
    group.throughput(Throughput::Bytes(1024));
    group.bench_function("Socket.IO encode", |bench| {
        bench.iter(|| black_box(&event).encode());
    });
    group.bench_function("Socket.IO decode", |bench| {
        bench.iter(|| decode(black_box(&text), 64).unwrap());
    });
    group.bench_function("Engine.IO encode", |bench| {
        bench.iter(|| Frame::message_with(text.len(), |out| out.push_str(black_box(&text))));
    });
    group.bench_function("Engine.IO decode", |bench| {
        bench.iter(|| EnginePacket::decode_text(black_box(&wire)).unwrap());
    });
    group.bench_function("payload of 16, encode", |bench| {
        bench.iter(|| encode_payload(black_box(&frames)));
    });
    group.bench_function("payload of 16, decode", |bench| {
        bench.iter(|| decode_payload(black_box(&payload).clone(), 64).unwrap());
    });
    group.finish();
}

criterion_group!(benches, codecs);
criterion_main!(benches);
