//! Starts the rooms and the connection to the other servers with the same database.

use crate::auth::Identity;
use crate::cluster::{Cluster, ClusterError};
use crate::config::Settings;
use crate::db::DbHandle;
use crate::limits::OutboundMemory;
use crate::rooms::RoomsHandle;

use super::layer_settings::{cluster_settings, room_settings};

/// The rooms, and the connection to the other servers, which is not open yet.
pub(super) struct ClusterPeers {
    pub(super) rooms: RoomsHandle,
    cluster: Option<Cluster>,
}

impl ClusterPeers {
    /// Starts the rooms, without connecting to other servers.
    pub(super) fn prepare(
        settings: &Settings,
        outbound: OutboundMemory,
    ) -> Result<Self, ClusterError> {
        let cluster = cluster_settings(settings).map(Cluster::new).transpose()?;
        let publisher = cluster.as_ref().map(Cluster::publisher);
        Ok(Self {
            rooms: RoomsHandle::start_with(room_settings(settings), publisher, outbound),
            cluster,
        })
    }

    /// Connects to the other servers, before this one serves anybody.
    pub(super) fn start(
        self,
        identity: &Identity,
        db: &DbHandle,
    ) -> Result<Option<Cluster>, ClusterError> {
        if let Some(cluster) = &self.cluster {
            cluster.start(identity, db, self.rooms.registry())?;
        }
        Ok(self.cluster)
    }
}
