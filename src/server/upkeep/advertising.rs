//! Advertises the server on the overlay network at start, in the background. A failure is logged and retried.

use std::rc::Rc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::Settings;
use crate::ids::IdentityKey;
use crate::overlay::{
    AdvertisedHost, Advertiser, Overlay, OverlayError, OverlayNetwork, SlapTracker,
};

use crate::server::layer_settings::wallet_url;
use crate::server::logging::start_stop_log::LogLine;

/// Shortest and longest pause between attempts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// What to advertise, and how.
#[derive(Debug, Clone)]
pub(crate) struct AdvertisingPlan {
    advertiser: Rc<Advertiser>,
    host: AdvertisedHost,
    identity: IdentityKey,
}

/// The plan, if the settings ask for one. Logs why it cannot work, which does not keep the server from starting.
pub(crate) fn plan(settings: &Settings, identity: IdentityKey) -> Option<AdvertisingPlan> {
    if !settings.overlay.advertise {
        return None;
    }
    match read(settings, identity) {
        Ok(plan) => Some(plan),
        Err(reason) => {
            log::error!("the server is not advertised: {reason}");
            None
        }
    }
}

/// Why the server cannot be advertised although the settings ask for it.
pub(crate) fn obstacle(settings: &Settings) -> Option<String> {
    if !settings.overlay.advertise {
        return None;
    }
    let reason = parts(settings).err()?;
    Some(format!("the server is not advertised: {reason}"))
}

fn read(settings: &Settings, identity: IdentityKey) -> Result<AdvertisingPlan, String> {
    let Parts {
        host,
        wallet,
        network,
        trackers,
    } = parts(settings)?;
    let timeout = settings.wallet.timeout;
    let overlay = Overlay::new(network, &trackers, timeout);
    Ok(AdvertisingPlan {
        advertiser: Rc::new(Advertiser::new(
            "messagebox-server",
            wallet,
            overlay,
            timeout,
        )),
        host,
        identity,
    })
}

/// The settings of advertising.
struct Parts<'a> {
    host: AdvertisedHost,
    wallet: &'a str,
    network: OverlayNetwork,
    trackers: Vec<SlapTracker>,
}

fn parts(settings: &Settings) -> Result<Parts<'_>, String> {
    let domain = settings.server.hosting_domain.as_deref().unwrap_or("");
    let host = domain
        .parse()
        .map_err(|error| format!("HOSTING_DOMAIN is {domain:?}: {error}"))?;
    let wallet = wallet_url(settings)
        .ok_or("WALLET_URL is not set; it must name the BRC-100 wallet of the server's identity")?;
    let network = &settings.wallet.network;
    let network = network
        .parse()
        .map_err(|error| format!("BSV_NETWORK is {network:?}: {error}"))?;
    let tracker = |text: &String| {
        text.parse()
            .map_err(|error| format!("SLAP_TRACKERS has {text:?}: {error}"))
    };
    let trackers = settings
        .overlay
        .trackers
        .iter()
        .map(tracker)
        .collect::<Result<_, String>>()?;
    Ok(Parts {
        host,
        wallet,
        network,
        trackers,
    })
}

/// Advertises the server, with retries.
pub(crate) async fn run(plan: AdvertisingPlan) {
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    while let Err(error) = advertise(&plan).await {
        let pause = backoff.next(rand::random());
        log::warn!(
            "the server is not advertised: {error}. {} The next attempt is in {} s.",
            error.advice(),
            pause.as_secs().max(1)
        );
        tokio::time::sleep(pause).await;
    }
}

async fn advertise(plan: &AdvertisingPlan) -> Result<(), OverlayError> {
    let owner = plan.advertiser.identity_key().await?;
    if owner != plan.identity {
        return Err(OverlayError::OtherIdentity(owner));
    }
    let advertised = plan.advertiser.advertise(&plan.host).await?;
    LogLine::new("advertised")
        .with("host", &plan.host)
        .with("identity", advertised.identity_key)
        .with("transaction", &advertised.txid)
        .with("standing", advertised.standing)
        .log();
    Ok(())
}
