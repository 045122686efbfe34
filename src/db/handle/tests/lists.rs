//! Lists of messages, and catching up.

use super::*;

#[actix::test]
async fn whoever_reads_has_a_turn_however_much_another_reads() {
    let change = |settings: &mut DbSettings| settings.max_queued_reads = 64;
    let store = store_with(change, None);
    let (flood, other) = (key(), key());
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let lists: Vec<_> = (0..9)
        .map(|_| {
            let (db, released) = (store.db.clone(), Arc::clone(&released));
            actix::spawn(async move {
                let wait = move |_: &mut AnyConnection| {
                    let released = released.lock().unwrap_or_else(PoisonError::into_inner);
                    released.recv().map_err(|_| DbError::Closed)
                };
                db.read(Some(flood), wait).await
            })
        })
        .collect();
    // They are queued by tasks that were spawned before this one continues.
    tokio::task::yield_now().await;
    let reads = async {
        for _ in 0..20 {
            store.db.read(Some(other), |_| Ok(())).await.unwrap();
            store.db.read(None, |_| Ok(())).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reads).await.unwrap();
    for _ in 0..4 {
        release.send(()).unwrap();
    }
    let mut refused = 0;
    for list in lists {
        match list.await.unwrap() {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, DbError::Overloaded);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 5);
}

#[actix::test]
async fn a_list_ends_where_it_would_grow_too_large() {
    let store = store();
    let bound = ListBound::stored(2 * (23 + MESSAGE_OVERHEAD));
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3"] {
        assert_eq!(
            store.put(message(recipient, sender, id)).await,
            Ok(StoreOutcome::Stored)
        );
    }
    let list = |page: Page| store.db.list(recipient, "inbox".to_owned(), page, bound);
    // 23 bytes each.
    let first = list(Page::default()).await.unwrap();
    assert_eq!((first.messages.len(), first.more), (2, true));
    let rest = Page {
        after: first.messages.last().map(|message| message.id),
        ..Page::default()
    };
    let rest = list(rest).await.unwrap();
    assert_eq!((rest.messages.len(), rest.more), (1, false));
    let limited = |limit| Page {
        limit: Some(limit),
        ..Page::default()
    };
    let one = list(limited(1)).await.unwrap();
    assert_eq!((one.messages.len(), one.more), (1, true));
    // A message that exceeds the bound alone is still listed.
    let large = NewMessage {
        message_box: "large".to_owned(),
        body: MessageBody::Text("x".repeat(2_000).into()),
        ..message(recipient, sender, "4")
    };
    assert_eq!(store.put(large).await, Ok(StoreOutcome::Stored));
    let page = store
        .db
        .list(recipient, "large".to_owned(), Page::default(), bound)
        .await
        .unwrap();
    assert_eq!((page.messages.len(), page.more), (1, false));
}

/// A page so small that messages of some sizes never fit.
fn paged(max_bytes: usize) -> ListBound {
    ListBound {
        name: Some(|message| message.message_id.len() + MESSAGE_OVERHEAD),
        ..ListBound::stored(max_bytes)
    }
}

#[actix::test]
async fn messages_that_no_page_can_hold_are_named_and_counted() {
    let store = store();
    let (recipient, sender) = (key(), key());
    let sizes = [9, 3_000, 10, 3_000, 2_000, 3_000];
    for (id, size) in sizes.into_iter().enumerate() {
        let message = NewMessage {
            body: MessageBody::Text("x".repeat(size).into()),
            ..message(recipient, sender, &id.to_string())
        };
        assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
    }
    let bound = paged(2_600);
    for (order, expected) in [
        (
            ListOrder::Ascending,
            [("0 2", "1 3", true), ("4", "", true), ("", "5", false)],
        ),
        (
            ListOrder::Descending,
            [("", "5", true), ("4", "", true), ("2 0", "3 1", false)],
        ),
    ] {
        for by_cursor in [true, false] {
            let mut page = Page {
                limit: Some(1_000),
                order,
                ..Page::default()
            };
            for (listed, named, more) in expected {
                let found = store
                    .db
                    .list(recipient, "inbox".to_owned(), page.clone(), bound);
                let found = found.await.unwrap();
                let ids: Vec<_> = found.messages.iter().map(|m| &*m.message_id).collect();
                let names: Vec<_> = found.oversized.iter().map(|m| &*m.message_id).collect();
                assert_eq!(
                    (&*ids.join(" "), &*names.join(" ")),
                    (listed, named),
                    "{page:?}"
                );
                assert_eq!(found.more, more);
                for named in &found.oversized {
                    // `{"message":"..."}`
                    assert_eq!((named.body_bytes, &named.sender), (3_014, &sender.to_hex()));
                }
                if by_cursor {
                    page.after = found.last;
                } else {
                    page.offset += i64::try_from(found.count()).unwrap();
                }
            }
        }
    }
    let one = |id: &str| Page {
        limit: Some(1_000),
        message_id: Some(id.to_owned()),
        ..Page::default()
    };
    let list = |page| store.db.list(recipient, "inbox".to_owned(), page, bound);
    let found = list(one("2")).await.unwrap();
    assert_eq!(
        (found.messages.len(), found.count(), found.more),
        (1, 1, false)
    );
    let found = list(one("3")).await.unwrap();
    assert_eq!(
        (found.messages.len(), found.count(), found.more),
        (0, 1, false)
    );
    assert_eq!(list(one("9")).await.unwrap().count(), 0);
    // A client without pages gets all of them.
    let all = list_all(&store, recipient).await;
    assert_eq!(all.len(), sizes.len());
}

async fn list_all(store: &Store, recipient: IdentityKey) -> Vec<String> {
    store.ids(recipient, "inbox").await
}

/// A page by offset continues after the previous page without skipping its messages again. So a message that expired
/// there does not shift the next page.
#[actix::test]
async fn pages_by_offset_go_on_where_the_last_one_ended() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for id in ["1", "2", "3", "4", "5", "6"] {
        let stored = store.put(message(recipient, sender, id)).await;
        assert_eq!(stored, Ok(StoreOutcome::Stored));
    }
    let list = async |offset| {
        let page = Page {
            limit: Some(2),
            offset,
            ..Page::default()
        };
        let listed = store
            .db
            .list(recipient, "inbox".to_owned(), page, everything());
        let listed = listed.await.unwrap();
        let ids = listed.messages.into_iter().map(|m| m.message_id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list(0).await, ["1", "2"]);
    store.set_time(
        "messages",
        "expires_at",
        "2020-01-01T00:00:00.000Z",
        r#""messageId" = '1'"#,
    );
    assert_eq!(list(2).await, ["3", "4"]);
    // Without a stored page end, or after a change, the offset is counted again.
    assert_eq!(list(2).await, ["4", "5"]);
    assert_eq!(list(0).await, ["2", "3"]);
    let deleted = store.db.acknowledge(recipient, vec!["2".to_owned()]).await;
    assert_eq!(deleted, Ok(1));
    assert_eq!(list(2).await, ["5", "6"]);
}

#[actix::test]
async fn what_was_missed_is_read_in_pages_of_so_many_bytes() {
    let store = store();
    let (recipient, sender) = (key(), key());
    for n in 1000..1300 {
        store
            .db
            .submit(one(message(recipient, sender, &n.to_string())), |_| {});
    }
    store.db.close(PATIENCE).await.unwrap();
    store
        .database
        .run(r#"DELETE FROM "messages" WHERE "messageId" IN ('1000', '1150', '1299')"#);
    let mut connection = open(&settings(&store.database)).unwrap().get().unwrap();
    // 26 bytes each. The message that exceeds the bound ends the page.
    for (max_bytes, in_page) in [(1, 1), (26, 1), (27, 2), (26 * 120, 120), (usize::MAX, 297)] {
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page =
                catch_up_query::missed(&mut connection, after, max_bytes, &Now::read(None), |_| {
                    true
                })
                .unwrap();
            let ids = page.messages.into_iter().map(|message| {
                assert!(message.body.contains(&message.head.message_id));
                message.head.message_id
            });
            let ids: Vec<String> = ids.collect();
            assert!(
                ids.len() == in_page || !page.more,
                "{max_bytes}: {}",
                ids.len()
            );
            assert!(page.last > after || !page.more);
            after = page.last;
            found.extend(ids);
            if !page.more {
                break;
            }
        }
        let all = (1000..1300).filter(|n| ![1000, 1150, 1299].contains(n));
        assert!(found.into_iter().eq(all.map(|n: i32| n.to_string())));
    }
}

#[actix::test]
async fn a_long_list_ends_to_the_byte_in_either_order() {
    // 26 bytes each.
    let store = store();
    let bound = ListBound::stored((26 + MESSAGE_OVERHEAD) * 290);
    let (recipient, sender) = (key(), key());
    for n in 1000..1300 {
        let message = message(recipient, sender, &n.to_string());
        store.db.submit(one(message), |_| {});
    }
    store.db.close(PATIENCE).await.unwrap();
    for order in [ListOrder::Ascending, ListOrder::Descending] {
        let page = Page {
            order,
            offset: 1,
            ..Page::default()
        };
        let list = |page: Page| store.db.list(recipient, "inbox".to_owned(), page, bound);
        let first = list(page.clone()).await.unwrap();
        assert_eq!((first.messages.len(), first.more), (290, true));
        let rest = Page {
            offset: 0,
            after: first.messages.last().map(|message| message.id),
            ..page
        };
        let rest = list(rest).await.unwrap();
        assert_eq!((rest.messages.len(), rest.more), (9, false));
    }
}

/// Client libraries buffer whole results, so a long list takes several statements.
#[actix::test]
async fn a_list_that_is_read_in_parts_is_whole_in_either_order() {
    let store = store();
    let (recipient, sender) = (key(), key());
    // Some messages begin a part, one is larger than a part, and one is too large for a page.
    let sizes: [usize; 8] = [
        400_000, 700_000, 10, 1_500_000, 600_000, 2_500_000, 20, 600_000,
    ];
    for (id, size) in sizes.into_iter().enumerate() {
        let message = NewMessage {
            body: MessageBody::Text("x".repeat(size).into()),
            ..message(recipient, sender, &id.to_string())
        };
        assert_eq!(store.put(message).await, Ok(StoreOutcome::Stored));
    }
    let list = |order, bound, limit| {
        let page = Page {
            limit,
            order,
            ..Page::default()
        };
        store.db.list(recipient, "inbox".to_owned(), page, bound)
    };
    let ids = |page: &MessagePage| -> String {
        let ids = page.messages.iter().map(|message| &*message.message_id);
        ids.collect()
    };
    let all = ListBound::stored(usize::MAX);
    for (order, bound, limit, expected) in [
        (ListOrder::Ascending, all, None, "01234567"),
        (ListOrder::Descending, all, None, "76543210"),
        (ListOrder::Ascending, all, Some(4), "0123"),
        (
            ListOrder::Ascending,
            ListBound::stored(3_000_000),
            None,
            "0123",
        ),
        (
            ListOrder::Descending,
            ListBound::stored(3_000_000),
            None,
            "76",
        ),
        (ListOrder::Ascending, paged(2_200_000), None, "012"),
        (ListOrder::Descending, paged(2_200_000), None, "764"),
    ] {
        let page = list(order, bound, limit).await.unwrap();
        assert_eq!(ids(&page), expected, "{order:?} {bound:?} {limit:?}");
        let listed = page.messages.iter().map(|message| message.body.len());
        // `{"message":""}` surrounds each body.
        let sent = expected
            .bytes()
            .map(|id| sizes[usize::from(id - b'0')] + 14);
        assert!(listed.eq(sent));
        assert_eq!(page.more, expected.len() < sizes.len());
    }
    let mut page = list(ListOrder::Ascending, paged(2_200_000), None)
        .await
        .unwrap();
    let mut seen = String::new();
    loop {
        seen += &ids(&page);
        if !page.more {
            break;
        }
        let next = Page {
            after: page.last,
            ..Page::default()
        };
        let listed = store
            .db
            .list(recipient, "inbox".to_owned(), next, paged(2_200_000));
        page = listed.await.unwrap();
    }
    assert_eq!(seen, "0123467");
}
