//! The composition root: starts the actors, connects them, serves HTTP, and shuts everything down again.
#![expect(missing_docs, reason = "names that say it all have no comment")]

mod administration;
mod application;
mod cluster_peers;
mod error;
mod home;
mod info;
mod layer_settings;
mod logging;
mod notifier;
mod reload;
mod shared_sessions;
mod shutdown;
mod tasks;
mod upkeep;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use actix_web::dev::{Server as HttpService, ServerHandle};
use tokio::sync::Notify;

use crate::admin::{Admin, StatusSources, StopAdmin};
use crate::auth::Identity;
use crate::authsocket::{AuthSocketService, AuthSocketSession};
use crate::cluster::Cluster;
use crate::config::{ConfigError, Settings, load_identity};
use crate::db::{DbHandle, DbSettings};
use crate::delivery::Delivery;
use crate::health::Health;
use crate::http::{Extras, HttpState};
use crate::ids::IdentityKey;
use crate::limits::OutboundMemory;
use crate::live::Live;
use crate::panics;
use crate::push::PushHandle;
use crate::rooms::RoomsHandle;
use crate::socket::SocketTable;

use application::{ServerParts, endpoint, extras, http_state, listen};
use layer_settings::{
    address_limits, authsocket_settings, db_settings, max_message_bytes, paying, request_prices,
    socketio_config,
};

use cluster_peers::ClusterPeers;
use logging::start_stop_log::Stopped;
use logging::startup_log::{
    log_certificates, log_start, raise_file_limit, warn_of_large_bodies, warn_of_small_packets,
};
use reload::Reloading;
use shutdown::Signals;
use upkeep::readiness::health;

pub use error::ServerError;
pub use tasks::accept::accept_database;
pub use tasks::archive::{export_archive, import_archive};
pub use tasks::check::check;
pub use tasks::compact::compact;
pub use tasks::export::export_payments;
pub use tasks::migrate::migrate;
pub use upkeep::identity_lists::{change_list, print_lists};

/// A server that listens for connections.
pub struct Server {
    pub address: SocketAddr,
    pub identity_key: IdentityKey,
    pub sockets: Arc<SocketTable<AuthSocketSession>>,
    pub service: Arc<AuthSocketService>,
    pub db: DbHandle,
    pub state: HttpState,
    pub push: Option<PushHandle>,
    pub cluster: Option<Cluster>,
    pub health: Health,
    pub admin: Addr<Admin>,
    /// Notified when an admin asks for a shutdown.
    drain: Arc<Notify>,
    reloading: Reloading,
    settings: Settings,
    started: Instant,
    signals: Option<Signals>,
    http: Option<HttpService>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("identity_key", &self.identity_key)
            .finish_non_exhaustive()
    }
}

/// Opens the database. Warns of limits of the database and of the memory that are too small for the settings.
fn open_database(
    settings: &Settings,
    database: &DbSettings,
    rooms: &RoomsHandle,
) -> Result<DbHandle, ServerError> {
    let on_commit = rooms.registry().clone().recipient();
    let db = DbHandle::open(database, Some(on_commit))?;
    warn_of_small_packets(&db, settings);
    warn_of_large_bodies(settings);
    Ok(db)
}

fn start_delivery(
    settings: &Settings,
    identity: &Arc<Identity>,
    db: &DbHandle,
    push: Option<&PushHandle>,
) -> Delivery {
    let paying = Arc::new(paying(settings, identity));
    let notify = notifier::notifier(settings, push);
    Delivery::new(db.clone(), paying, notify).with_max_message_bytes(max_message_bytes(settings))
}

impl Server {
    /// Starts everything. Must be called inside an actix system.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(settings: &Settings) -> Result<Self, ServerError> {
        panics::watch();
        let signals = Signals::listen()?;
        let database = db_settings(settings)?;
        let (prices, fcm) = (request_prices(settings)?, notifier::fcm(settings)?);
        let (identity, source) = load_identity(settings)?;
        let identity = Arc::new(identity);
        let certificates = settings.auth.certificates.required()?;
        let guard = administration::guard(settings)?;
        administration::warn_of_no_admin(settings, &guard);
        let migrate_key = administration::migrate_key(settings)?;
        let outbound = OutboundMemory::new(settings.server.max_buffered_bytes / 2);
        let peers = ClusterPeers::prepare(settings, outbound.clone())?;
        let rooms = peers.rooms.clone();
        let db = open_database(settings, &database, &rooms)?;
        let cluster = peers.start(&identity, &db)?;
        let push = fcm.map(|fcm| notifier::start_push(fcm, settings, &db));
        let delivery = start_delivery(settings, &identity, &db, push.as_ref());
        let addresses = Arc::new(address_limits(settings));
        let service = AuthSocketService::new(
            Arc::clone(&identity),
            rooms.clone(),
            delivery.clone(),
            socketio_config(settings),
            authsocket_settings(settings, certificates.as_ref()),
        );
        let service = service.with_addresses(Arc::clone(&addresses));
        let service = Arc::new(service.with_outbound(outbound.clone()));
        let health = health(&db, cluster.as_ref(), push.as_ref(), settings);
        let sockets = SocketTable::new(settings.socket.max_sockets);
        let sockets = Arc::new(sockets.with_outbound(outbound));
        let state = http_state(settings, &identity, delivery.clone(), &db, prices)
            .with_certificates(certificates.clone())
            .with_addresses(addresses)
            .with_heavy(service.heavy.clone());
        let state = match &certificates {
            // A session of another node does not tell which certificates that node has seen.
            Some(_) => state,
            None => shared_sessions::shared(state, &db, cluster.as_ref(), settings),
        };
        let sources = StatusSources {
            facts: administration::facts(settings, identity.identity_key()),
            sockets: Arc::clone(&sockets),
            service: Arc::clone(&service),
            rooms,
            db: db.clone(),
            delivery,
            requests: Arc::clone(&state.requests),
            sessions: administration::session_count(&state),
            push: push.clone(),
            cluster: cluster.clone(),
            health: health.clone(),
        };
        let (admin, drain) = (Admin::start_beside(sources.clone()), Arc::default());
        let guard = Live::new(guard);
        let admin_state = administration::state(settings, guard.clone(), &admin, &sources, &drain);
        let state = state.with_admin(admin_state);
        let key = identity.identity_key();
        let info = Live::new(info::info(settings, key, certificates.is_some()));
        let parts = ServerParts {
            endpoint: endpoint(settings, &sockets, &service, &state),
            state: state.clone(),
            extras: Extras {
                home: Some(home::home(settings, &info.get())),
                info: Some(info.clone()),
                ..extras(settings, migrate_key, &db, &health)
            },
        };
        raise_file_limit(settings.socket.max_sockets);
        let (http, address) = listen(settings, parts)?;
        log_start(settings, address, &identity, &source, &database.url);
        log_certificates(certificates.as_ref());
        let reloading = Reloading {
            read: None,
            settings: RefCell::new(settings.clone()),
            guard,
            info,
            state: state.clone(),
            db: db.clone(),
            service: Arc::clone(&service),
            identity_key: key,
        };
        Ok(Self {
            address,
            identity_key: identity.identity_key(),
            sockets,
            service,
            db,
            state,
            push,
            cluster,
            health,
            admin,
            drain,
            reloading,
            settings: settings.clone(),
            started: Instant::now(),
            signals: Some(signals),
            http: Some(http),
        })
    }

    /// Sets the function that reads the configuration at SIGHUP; without it, SIGHUP does nothing.
    #[must_use]
    pub fn reloaded_by(
        mut self,
        read: impl Fn() -> Result<Settings, ConfigError> + 'static,
    ) -> Self {
        self.reloading.read = Some(Box::new(read));
        self
    }

    /// A handle that can stop the server.
    #[must_use]
    pub fn handle(&self) -> Option<ServerHandle> {
        self.http.as_ref().map(HttpService::handle)
    }

    /// Serves until a signal (SIGINT, SIGTERM or SIGQUIT), an admin or the handle stops the server. Then shuts down: closes
    /// sockets once their messages are answered, finishes requests, and flushes writes.
    ///
    /// # Errors
    /// [`ServerError::Broken`]; [`ServerError::Interrupted`] at a second signal.
    pub async fn run(mut self) -> Result<(), ServerError> {
        let (Some(mut http), Some(mut signals)) = (self.http.take(), self.signals.take()) else {
            return Ok(());
        };
        let handle = http.handle();
        let background = upkeep::background::start(
            &self.db,
            &self.state,
            self.identity_key,
            &self.settings,
            &self.sockets,
        );
        let signal = tokio::select! {
            served = &mut http => Err(served),
            signal = signals.next(|| self.reloading.reload()) => Ok(signal),
            () = self.drain.notified() => Ok("admin"),
        };
        let open = self.sockets.len();
        let (reason, drained, served) = match signal {
            Ok(signal) => {
                log::info!("{signal}: shutting down, {open} sockets open");
                let drain = async {
                    // The HTTP service handles commands only while it is polled.
                    let mut drain = std::pin::pin!(self.drain(&handle));
                    tokio::select! {
                        drained = &mut drain => drained,
                        _ = &mut http => drain.await,
                    }
                };
                tokio::select! {
                    drained = drain => (signal, drained, Ok(())),
                    second = signals.second(signal) => return Err(ServerError::Interrupted(second)),
                }
            }
            Err(Ok(())) => ("handle", self.flush_at_end().await, Ok(())),
            Err(Err(error)) => ("broken", self.flush_at_end().await, Err(error)),
        };
        background.abort();
        self.admin.do_send(StopAdmin);
        if let Some(cluster) = &self.cluster {
            cluster.end();
        }
        let stopped = Stopped {
            reason,
            uptime: self.started.elapsed(),
            stored: self.db.status().stored,
            sockets_closed: open.saturating_sub(self.sockets.len()),
            drained,
            panics: panics::count(),
        };
        stopped.line().log();
        served.map_err(ServerError::Broken)
    }
}
