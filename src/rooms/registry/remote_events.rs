//! How the registry handles the events of other nodes.

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::ids::Sid;
use crate::rooms::cluster_events::{CutOff, RemoteEvent, RemoteEvents, RotateDedup};
use crate::telemetry;

use super::RoomRegistry;

impl Handler<RemoteEvents> for RoomRegistry {
    type Result = usize;

    fn handle(&mut self, RemoteEvents(events): RemoteEvents, _ctx: &mut Self::Context) -> usize {
        let mut delivered = 0;
        for RemoteEvent {
            event,
            is_caught_up,
        } in events
        {
            if !self.delivers(&event.room, |max| event.event.len() <= max) {
                continue;
            }
            let Some(cluster) = &mut self.cluster else {
                return delivered;
            };
            if cluster.is_new(&event, is_caught_up) {
                delivered += 1;
                telemetry::within(event.trace, || {
                    self.publish(&event.room, event.id, || SharedPayload::new(event.event));
                });
            }
        }
        delivered
    }
}

impl Handler<CutOff> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, CutOff(topics): CutOff, _ctx: &mut Self::Context) {
        let members: Vec<Sid> = self.membership.members_of(&topics).collect();
        for sid in members {
            self.cut_off(sid);
        }
    }
}

impl Handler<RotateDedup> for RoomRegistry {
    type Result = bool;

    fn handle(&mut self, RotateDedup { keep }: RotateDedup, _ctx: &mut Self::Context) -> bool {
        let cluster = self.cluster.as_mut();
        cluster.is_some_and(|cluster| cluster.delivered.rotate(keep))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::ids::RoomId;
    use crate::rooms::{ClusterEvent, ClusterPublisher, EventKey, RoomSettings, TopicChange};

    #[derive(Debug)]
    struct Nowhere;

    impl ClusterPublisher for Nowhere {
        fn interest(&self, _: TopicChange, _: i64) {}

        fn publish(&self, _: ClusterEvent) {}

        fn watermark(&self) -> i64 {
            0
        }
    }

    /// The database lists a message to the lobby in its recipient's room, as another event.
    #[actix::test]
    async fn a_message_to_a_room_of_nobody_is_delivered_there_though_its_recipients_room_was_read()
    {
        let registry = RoomRegistry::new(RoomSettings::default());
        let registry = registry.with_cluster(Arc::new(Nowhere)).start();
        let own = RoomId::new(format!("{}-default", "02".repeat(33)));
        let lobby = RoomId::new("lobby");
        let mut delivered = Vec::new();
        for (n, room, is_caught_up) in [
            (1, &own, true),
            (1, &lobby, false),
            (1, &lobby, false),
            (1, &RoomId::new("hall"), false),
            (2, &lobby, false),
            (2, &own, true),
            (3, &own, false),
            (3, &own, true),
        ] {
            let event = ClusterEvent {
                room: room.clone(),
                key: EventKey::from_bytes([n; EventKey::LEN]),
                id: None,
                trace: None,
                event: Bytes::new(),
            };
            let event = RemoteEvent {
                event,
                is_caught_up,
            };
            delivered.push(registry.send(RemoteEvents(vec![event])).await.unwrap());
        }
        assert_eq!(delivered, [1, 1, 0, 1, 1, 0, 1, 0]);
    }
}
