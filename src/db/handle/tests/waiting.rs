//! Messages in boxes, for operators.

use super::*;
use crate::model::{Quota, TotalsOrder, WaitingBox, WaitingTotal};

async fn put(store: &Store, recipient: IdentityKey, message_box: &str, id: &str, bytes: usize) {
    let mut message = message(recipient, key(), id);
    message_box.clone_into(&mut message.message_box);
    message.body = MessageBody::Text("x".repeat(bytes).into());
    assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
}

/// Bytes of a body as stored.
const WRAPPING: i64 = 14;

fn amounts(boxes: &[WaitingBox]) -> Vec<(&str, &str, i64, i64)> {
    let amount = |waiting: &WaitingBox| {
        (
            waiting.messages,
            waiting.bytes - waiting.messages * WRAPPING,
        )
    };
    boxes
        .iter()
        .map(|waiting| {
            let (messages, bytes) = amount(waiting);
            (&*waiting.identity, &*waiting.message_box, messages, bytes)
        })
        .collect()
}

#[actix::test]
async fn boxes_are_counted_page_by_page_and_empty_ones_are_left_out() {
    let store = store();
    let (alice, bob) = (key(), key());
    put(&store, alice, "inbox", "1", 10).await;
    put(&store, bob, "inbox", "1", 20).await;
    put(&store, alice, "empty", "2", 5).await;
    put(&store, alice, "chat", "3", 1).await;
    put(&store, alice, "inbox", "4", 30).await;
    assert_eq!(
        store.db.acknowledge(alice, vec!["2".to_owned()]).await,
        Ok(1)
    );
    let hour_ago = clock::text(OffsetDateTime::now_utc() - time::Duration::hours(1));
    store.set_time("messages", "created_at", &hour_ago, r#""messageId" = '1'"#);
    let (alice_hex, bob_hex) = (alice.to_hex(), bob.to_hex());
    let all = [
        (&*alice_hex, "inbox", 2, 40),
        (&*bob_hex, "inbox", 1, 20),
        (&*alice_hex, "chat", 1, 1),
    ];
    let page = store.db.waiting_boxes(0, 9).await.unwrap();
    assert_eq!((amounts(&page.boxes), page.next), (all.to_vec(), None));
    let ages: Vec<u64> = page
        .boxes
        .iter()
        .map(|waiting| waiting.oldest.as_secs() / 600)
        .collect();
    assert_eq!(ages, [6, 6, 0]);
    // One box per page.
    let (mut after, mut seen) = (0, Vec::new());
    for _ in 0..3 {
        let page = store.db.waiting_boxes(after, 1).await.unwrap();
        assert_eq!(page.boxes.len(), 1);
        seen.extend(page.boxes);
        after = page.next.unwrap();
    }
    assert_eq!(amounts(&seen), all);
    let end = store.db.waiting_boxes(after, 1).await.unwrap();
    assert_eq!((end.boxes, end.next), (Vec::new(), None));

    let (page, total) = store.db.waiting_boxes_of(alice, 0, 1).await.unwrap();
    assert_eq!(amounts(&page.boxes), [all[0]]);
    let (rest, same) = store
        .db
        .waiting_boxes_of(alice, page.next.unwrap(), 9)
        .await
        .unwrap();
    assert_eq!((amounts(&rest.boxes), rest.next), (vec![all[2]], None));
    let summed = |total: WaitingTotal| {
        (
            total.boxes,
            total.messages,
            total.bytes - 3 * WRAPPING,
            total.oldest.unwrap().as_secs() / 600,
        )
    };
    assert_eq!(summed(total), (2, 3, 41, 6));
    assert_eq!(summed(same), summed(total));
    let (page, total) = store.db.waiting_boxes_of(key(), 0, 9).await.unwrap();
    assert_eq!((page.boxes, total), (Vec::new(), WaitingTotal::default()));
}

#[actix::test]
async fn identities_come_by_key_or_by_what_they_have() {
    let uncounted = store();
    let found = uncounted
        .db
        .inboxes(TotalsOrder::Identity, String::new(), 9);
    assert_eq!(found.await, Ok(None));
    let store = store_with(
        |settings| {
            settings.quotas.inbox = Quota {
                messages: Some(99),
                bytes: None,
            };
        },
        None,
    );
    let mut keys = [key(), key(), key()];
    keys.sort_by_key(IdentityKey::to_hex);
    for (owner, messages, bytes) in [(keys[0], 1, 50), (keys[1], 3, 1), (keys[2], 2, 10)] {
        for id in 0..messages {
            put(&store, owner, "inbox", &id.to_string(), bytes).await;
        }
    }
    let found = async |order, after: &str, limit| {
        let found = store.db.inboxes(order, after.to_owned(), limit).await;
        let position = |identity: &str| keys.iter().position(|key| key.to_hex() == identity);
        found
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|total| (position(&total.identity).unwrap(), total.messages))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(TotalsOrder::Identity, "", 9).await,
        [(0, 1), (1, 3), (2, 2)]
    );
    assert_eq!(
        found(TotalsOrder::Identity, &keys[0].to_hex(), 1).await,
        [(1, 3)]
    );
    assert_eq!(found(TotalsOrder::Messages, "", 2).await, [(1, 3), (2, 2)]);
    assert_eq!(found(TotalsOrder::Bytes, "", 2).await, [(0, 1), (2, 2)]);
    let totals = store.db.refresh_totals().await.unwrap().unwrap();
    assert_eq!((totals.inboxes.identities, totals.inboxes.messages), (3, 6));
    assert_eq!(totals.inboxes.bytes, 6 * WRAPPING + 50 + 3 + 20);
}
