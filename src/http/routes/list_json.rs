//! Writes the JSON of a list into memory that is reserved first.

use crate::http::buffers::list_memory::ListPermit;
use crate::json_text::push_string;
use crate::model::{self, ListSink, NoMemory, OversizedMessage, StoredMessage};

use super::list_messages::{ENVELOPE_BYTES, Item, Oversized};

/// Bytes that a list reserves in one step, at most, beside those for its next message.
const MAX_STEP: usize = 1024 * 1024;

/// The JSON of a list, written while its messages are read. It equals what `list_messages::ListReply` serializes to.
#[derive(Debug)]
pub(super) struct ListJson {
    out: Vec<u8>,
    oversized: Vec<OversizedMessage>,
    /// Bytes of the oversized messages, here and as they will be written.
    oversized_bytes: usize,
    memory: ListPermit,
}

impl ListSink for ListJson {
    fn message(&mut self, message: StoredMessage, bytes: usize) -> Result<(), NoMemory> {
        self.reserve(bytes)?;
        let (item, out) = (Item::from(&message), &mut self.out);
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        push_field(out, b'{', "messageId", item.message_id);
        push_field(out, b',', "body", item.body);
        push_field(out, b',', "sender", &item.sender);
        push_field(out, b',', "createdAt", item.created_at);
        push_field(out, b',', "updatedAt", item.updated_at);
        out.push(b'}');
        Ok(())
    }

    fn oversized(&mut self, message: OversizedMessage, bytes: usize) -> Result<(), NoMemory> {
        let oversized_bytes = self.oversized_bytes + 2 * bytes;
        self.count(self.out.capacity() + oversized_bytes)?;
        self.oversized_bytes = oversized_bytes;
        self.oversized.push(message);
        Ok(())
    }
}

impl ListJson {
    pub(super) fn new(memory: ListPermit) -> Self {
        let mut out = Vec::with_capacity(2 * ENVELOPE_BYTES);
        push_field(&mut out, b'{', "status", "success");
        out.extend_from_slice(br#","messages":["#);
        Self {
            out,
            oversized: Vec::new(),
            oversized_bytes: 0,
            memory,
        }
    }

    /// Makes room for this many bytes more, and for the tail.
    fn reserve(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let capacity = self.out.capacity();
        let least = self.out.len() + bytes + ENVELOPE_BYTES;
        if least <= capacity {
            return Ok(());
        }
        let oversized = self.oversized_bytes;
        let ample = least.max(capacity + capacity.min(MAX_STEP));
        let reserved = match self.count(ample + oversized) {
            Ok(()) => ample,
            Err(NoMemory) => self.count(least + oversized).map(|()| least)?,
        };
        self.out.reserve_exact(reserved - self.out.len());
        Ok(())
    }

    /// Number of messages that are too large for the list.
    pub(super) const fn oversized_count(&self) -> usize {
        self.oversized.len()
    }

    fn count(&mut self, bytes: usize) -> Result<(), NoMemory> {
        self.memory.resize(bytes).map_err(|_| NoMemory)
    }

    /// Writes the tail. The permit covers the memory of the list.
    pub(super) fn finish(mut self, list: &Tail) -> (Vec<u8>, ListPermit) {
        let Tail {
            limit,
            offset,
            next_offset,
            has_more,
            next_cursor,
        } = list;
        let out = &mut self.out;
        out.extend_from_slice(
            format!(r#"],"limit":{limit},"offset":{offset},"nextOffset":{next_offset},"hasMore":{has_more}"#)
                .as_bytes(),
        );
        match next_cursor {
            Some(cursor) => push_field(out, b',', "nextCursor", cursor),
            None => out.extend_from_slice(br#","nextCursor":null"#),
        }
        if !self.oversized.is_empty() {
            let items: Vec<Oversized<'_>> = self.oversized.iter().map(Oversized::from).collect();
            out.extend_from_slice(br#","oversized":"#);
            // Texts and numbers always serialize.
            out.extend(serde_json::to_vec(&items).unwrap_or_else(|_| b"[]".to_vec()));
        }
        out.push(b'}');
        (self.out, self.memory)
    }
}

/// The fields behind the messages.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    limit: i64,
    offset: i64,
    next_offset: i64,
    has_more: bool,
    next_cursor: Option<String>,
}

impl Tail {
    pub(super) fn new(listed: &model::PageEnd, limit: i64, offset: i64) -> Self {
        let count = i64::try_from(listed.count).unwrap_or(i64::MAX);
        let last = listed.last.filter(|_| listed.more);
        Self {
            // A list for an older client may have more messages than a page.
            limit: limit.max(count),
            offset,
            next_offset: offset.saturating_add(count),
            has_more: listed.more,
            next_cursor: last.map(|last| last.to_string()),
        }
    }
}

fn push_field(out: &mut Vec<u8>, before: u8, name: &str, value: &str) {
    out.extend_from_slice(&[before, b'"']);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    push_string(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::http::buffers::list_memory::ListMemory;
    use crate::http::routes::list_messages::{ListReply, item_len, oversized_len};

    #[test]
    fn a_list_is_written_as_it_is_described() {
        let message = |id: i64| StoredMessage {
            id,
            message_id: format!("m\"{id}"),
            sender: "02ab".to_owned(),
            body: r#"{"message":"a\nb"}"#.to_owned(),
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
            updated_at: "2026-01-02T00:00:00.000Z".to_owned(),
        };
        let oversized = |id: usize| OversizedMessage {
            message_id: format!("o\"{id}"),
            sender: "02ab".to_owned(),
            body_bytes: id,
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
        };
        let who = Identity::random().identity_key();
        for (listed, named, more) in [(0, 0, false), (1, 0, true), (2, 2, true), (0, 1, false)] {
            let messages: Vec<_> = (0..).take(listed).map(message).collect();
            let named: Vec<_> = (0..named).map(oversized).collect();
            let page = model::PageEnd {
                count: messages.len() + named.len(),
                last: Some(7),
                more,
            };
            let tail = Tail::new(&page, 3, 10);
            let described = ListReply {
                status: "success",
                messages: messages.iter().map(Item::from).collect(),
                limit: tail.limit,
                offset: tail.offset,
                next_offset: tail.next_offset,
                has_more: tail.has_more,
                next_cursor: tail.next_cursor.clone(),
                oversized: named.iter().map(Oversized::from).collect(),
            };
            let described = serde_json::to_string(&described).unwrap();
            // Counted to the byte, but for the commas behind the last ones and for numbers.
            let sizes = messages.iter().map(item_len);
            let named_bytes: usize = named.iter().map(oversized_len).sum();
            let bytes = sizes.sum::<usize>() + named_bytes + ENVELOPE_BYTES - 64;
            assert!(
                described.len() <= bytes
                    && described.len() + ENVELOPE_BYTES + 24 * named.len() > bytes
            );
            let memory = ListMemory::new(1 << 20, 1 << 20).of_request(who, None);
            let mut json = ListJson::new(memory.permit());
            for message in messages {
                let bytes = item_len(&message);
                json.message(message, bytes).unwrap();
            }
            for message in named {
                let bytes = oversized_len(&message);
                json.oversized(message, bytes).unwrap();
            }
            let (json, _memory) = json.finish(&tail);
            assert_eq!(String::from_utf8(json).unwrap(), described);
        }
    }

    #[test]
    fn a_list_is_counted_before_it_is_written_and_stays_within_its_memory() {
        const MAX: usize = 300_000;
        let who = Identity::random().identity_key();
        let all = ListMemory::new(16 * MAX, 0);
        let mut other = all
            .of_request(Identity::random().identity_key(), None)
            .permit();
        other.resize(15 * MAX).unwrap();
        let message = StoredMessage {
            id: 1,
            message_id: "1".to_owned(),
            sender: "02ab".to_owned(),
            body: "x".repeat(10_000),
            created_at: String::new(),
            updated_at: String::new(),
        };
        let mut json = ListJson::new(all.of_request(who, None).permit());
        let (bytes, mut written) = (item_len(&message), 0);
        while json.message(message.clone(), bytes) == Ok(()) {
            written += 1;
            // The memory counts the whole capacity.
            assert_eq!(all.held() - 15 * MAX, json.out.capacity());
        }
        assert_eq!(written, (MAX - 2 * ENVELOPE_BYTES) / bytes);
        assert!(json.out.capacity() <= MAX);
        let listed = model::PageEnd::default();
        let (json, memory) = json.finish(&Tail::new(&listed, 1, 0));
        let body = memory.tie_to(json);
        let part = body.slice(..1);
        drop(body);
        assert!(all.held() > 15 * MAX);
        drop(part);
        assert_eq!(all.held(), 15 * MAX);
    }
}
