//! The composition root: starts the actors, wires them, serves HTTP, and takes it all down again.

mod background;
mod export;
mod layer_settings;
mod notifier;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::{Server as HttpService, ServerHandle};
use actix_web::{App, HttpServer};
use thiserror::Error;

use crate::auth::{Identity, RequiredCertificates};
use crate::authsocket::{AuthSocket, AuthSocketService};
use crate::config::{ConfigError, IdentityKeySource, Secret, Settings, load_identity};
use crate::db::{DatabaseUrl, DbError, DbHandle};
use crate::delivery::{Delivery, RequestPrices};
use crate::engineio::CloseReason;
use crate::http::{
    BodyMemory, Docs, Endpoint, Extras, HttpState, MigrateState, TcpSettings, configure, cors,
    engineio_scope, on_connect,
};
use crate::ids::IdentityKey;
use crate::push::{PushHandle, ServiceAccountError};
use crate::rooms::RoomsHandle;
use crate::socket::{Opening, SocketTable};

use layer_settings::{
    authsocket_settings, db_settings, engineio_config, http_limits, paying, request_prices,
    room_settings, session_limits, socketio_config, wallet_url,
};

pub use export::export_payments;

/// Connections that the kernel keeps for us while all workers are busy.
const LISTEN_BACKLOG: u32 = 4096;

/// How long a shutdown waits for push notifications.
const PUSH_DEADLINE: Duration = Duration::from_secs(3);

/// Why the server did not start, or ended.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Push notifications cannot be sent.
    #[error(transparent)]
    Push(#[from] ServiceAccountError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Host and port.
        address: String,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The server broke off.
    #[error("the server broke off: {0}")]
    Broken(std::io::Error),
}

/// A server that listens.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who it is.
    pub identity_key: IdentityKey,
    /// Its sockets.
    pub sockets: Arc<SocketTable<AuthSocket>>,
    /// What they share.
    pub service: Arc<AuthSocketService>,
    /// Its database.
    pub db: DbHandle,
    /// What its requests share.
    pub state: HttpState,
    /// Push notifications, where they are enabled.
    pub push: Option<PushHandle>,
    settings: Settings,
    http: Option<HttpService>,
}

/// What the application is made of, before it is served.
#[derive(Debug, Clone)]
struct ServerParts {
    endpoint: Option<Endpoint<AuthSocket>>,
    state: HttpState,
    extras: Extras,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("identity_key", &self.identity_key)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts everything. Must be called inside an actix system.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(settings: &Settings) -> Result<Self, ServerError> {
        let url = DatabaseUrl::parse(&settings.database_url())?;
        let prices = request_prices(settings)?;
        let (identity, source) = load_identity(settings)?;
        let identity = Arc::new(identity);
        let certificates = settings.auth.certificates.required()?;
        let rooms = RoomsHandle::start(room_settings(settings));
        let on_commit = rooms.registry().clone().recipient();
        let db = DbHandle::open(&db_settings(settings, url.clone()), Some(on_commit))?;
        let paying = Arc::new(paying(settings, &identity));
        let push = notifier::start_push(settings, &db)?;
        let notify = notifier::notifier(settings, push.as_ref());
        let delivery = Delivery::new(db.clone(), paying, notify);
        let service = Arc::new(AuthSocketService::new(
            Arc::clone(&identity),
            rooms,
            delivery.clone(),
            socketio_config(settings),
            authsocket_settings(settings, certificates.as_ref()),
        ));
        let sockets = Arc::new(SocketTable::new(settings.socket.max_sockets));
        let state = http_state(settings, &identity, delivery, &db, prices)
            .with_certificates(certificates.clone());
        let parts = ServerParts {
            endpoint: settings
                .socket
                .enabled
                .then(|| endpoint(settings, &sockets, &service, &state.bodies)),
            state: state.clone(),
            extras: extras(settings, &db),
        };
        raise_file_limit(settings.socket.max_sockets);
        let (http, address) = listen(settings, parts)?;
        log_start(settings, address, &identity, &source, &url);
        log_certificates(certificates.as_ref());
        Ok(Self {
            address,
            identity_key: identity.identity_key(),
            sockets,
            service,
            db,
            state,
            push,
            settings: settings.clone(),
            http: Some(http),
        })
    }

    /// A handle that can stop the server.
    #[must_use]
    pub fn handle(&self) -> Option<ServerHandle> {
        self.http.as_ref().map(HttpService::handle)
    }

    /// Serves until a signal comes (SIGINT or SIGTERM) or the handle stops it, then takes everything down:
    /// sockets are told, requests are finished, writes are flushed.
    ///
    /// # Errors
    /// [`ServerError::Broken`].
    pub async fn run(mut self) -> Result<(), ServerError> {
        let Some(http) = self.http.take() else {
            return Ok(());
        };
        let handle = http.handle();
        let sockets = Arc::clone(&self.sockets);
        let watch = actix::spawn(async move {
            let signal = signal().await;
            let began = Instant::now();
            log::info!("{signal}: shutting down, {} sockets open", sockets.len());
            sockets.close_all(CloseReason::ServerShutdown);
            handle.stop(true).await;
            log::info!("connections closed after {:?}", began.elapsed());
        });
        let background = background::start(&self.db, &self.state, &self.settings);
        let served = http.await;
        watch.abort();
        background.abort();
        self.sockets.close_all(CloseReason::ServerShutdown);
        if let Some(push) = &self.push
            && !push.flush(PUSH_DEADLINE).await
        {
            log::warn!("at shutdown: some push notifications were not sent");
        }
        if let Err(error) = self.db.close(self.settings.server.shutdown_timeout).await {
            log::error!("at shutdown: {error}");
        }
        log::info!("stopped");
        served.map_err(ServerError::Broken)
    }
}

async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

fn listen(
    settings: &Settings,
    parts: ServerParts,
) -> Result<(HttpService, SocketAddr), ServerError> {
    let prefix = settings.routing_prefix();
    let app = move || {
        let ServerParts {
            endpoint,
            state,
            extras,
        } = &parts;
        let routes = configure(state.clone(), extras.clone());
        let mut app = App::new().wrap(cors()).configure(routes);
        if let Some(endpoint) = endpoint {
            app = app.service(engineio_scope("/socket.io", endpoint.clone()));
            if !prefix.is_empty() {
                app = app.service(engineio_scope(
                    &format!("{prefix}/socket.io"),
                    endpoint.clone(),
                ));
            }
        }
        app
    };
    let tcp = TcpSettings {
        user_timeout: settings.socket.ping_interval + settings.socket.ping_timeout,
    };
    let mut server = HttpServer::new(app)
        .on_connect(on_connect(tcp))
        // A poll whose client is gone must be dropped, and its packets put back.
        .h1_allow_half_closed(false)
        .backlog(LISTEN_BACKLOG)
        .max_connections(settings.server.max_connections)
        .shutdown_timeout(settings.server.shutdown_timeout.as_secs())
        .disable_signals();
    if settings.server.workers > 0 {
        server = server.workers(settings.server.workers);
    }
    let target = (settings.server.host.as_str(), settings.port());
    let failed = |cause| ServerError::Listen {
        address: format!("{}:{}", settings.server.host, settings.port()),
        cause,
    };
    let server = server.bind(target).map_err(failed)?;
    let address = server.addrs().first().copied();
    let address = address.ok_or_else(|| failed(std::io::ErrorKind::AddrNotAvailable.into()))?;
    Ok((server.run(), address))
}

/// A websocket takes two file descriptors (the second can end it from outside), and many systems begin with 1,024.
fn raise_file_limit(max_sockets: usize) {
    let wanted = u64::try_from(max_sockets)
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .saturating_add(1024);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => log::info!(
            "{limit} file descriptors allow for about {} sockets; `ulimit -n {wanted}` allows for all {max_sockets}",
            limit.saturating_sub(1024) / 2
        ),
        Ok(limit) => log::debug!("up to {limit} file descriptors"),
        Err(error) => log::warn!("the limit of file descriptors was not raised: {error}"),
    }
}

fn log_start(
    settings: &Settings,
    address: SocketAddr,
    identity: &Identity,
    source: &IdentityKeySource,
    database: &DatabaseUrl,
) {
    if let IdentityKeySource::Made(path) = source {
        log::warn!(
            "made a server key for development and keep it in {}",
            path.display()
        );
    }
    log::info!(
        "messagebox-server {} ({})",
        env!("CARGO_PKG_VERSION"),
        settings.environment
    );
    log::info!("listening on http://{address}{}", settings.routing_prefix());
    log::info!("identity key {}", identity.identity_key());
    log::info!("database {database}");
    let sockets = if settings.socket.enabled { "on" } else { "off" };
    let payments = match wallet_url(settings) {
        Some(_) => "to the wallet",
        None => "kept here",
    };
    if settings.wallet.headers_url.is_none() && settings.environment != "development" {
        log::warn!(
            "BLOCK_HEADERS_URL is not set: that a payment's coins were mined is believed, not looked up"
        );
    }
    let push = if settings.push.enabled { "on" } else { "off" };
    log::info!(
        "enabled: HTTP on, sockets {sockets}, rooms {:?}, payments {payments} ({}), push {push}",
        settings.rooms.access,
        settings.wallet.network
    );
}

fn log_certificates(certificates: Option<&RequiredCertificates>) {
    if let Some(required) = certificates {
        log::info!("certificates required: {}", required.demand.json());
    }
}

fn endpoint(
    settings: &Settings,
    sockets: &Arc<SocketTable<AuthSocket>>,
    service: &Arc<AuthSocketService>,
    bodies: &BodyMemory,
) -> Endpoint<AuthSocket> {
    let service = Arc::clone(service);
    Endpoint {
        config: Arc::new(engineio_config(settings)),
        table: Arc::clone(sockets),
        bodies: bodies.clone(),
        open: Arc::new(move |opening: &Opening| AuthSocket::new(Arc::clone(&service), opening)),
    }
}

fn http_state(
    settings: &Settings,
    identity: &Arc<Identity>,
    delivery: Delivery,
    db: &DbHandle,
    prices: RequestPrices,
) -> HttpState {
    let prefix = settings.routing_prefix();
    HttpState::new(
        Arc::clone(identity),
        delivery,
        db.clone(),
        &prefix,
        http_limits(settings),
        prices,
        session_limits(settings),
    )
}

fn extras(settings: &Settings, db: &DbHandle) -> Extras {
    let prefix = settings.routing_prefix();
    let address = settings.server.hosting_domain.as_deref();
    let migrate_key = settings.migrate_key.as_ref().map(Secret::expose);
    Extras {
        migrate: migrate_key
            .filter(|key| !key.is_empty())
            .map(|key| MigrateState::new(db.clone(), key)),
        docs: settings.server.docs.then(|| Docs::new(&prefix, address)),
    }
}
