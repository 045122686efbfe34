//! Advertises a host and revokes advertisements, through the wallet of the identity.

use std::collections::HashMap;
use std::fmt;
use std::io::Cursor;
use std::time::Duration;

use bsv::transaction::Beef;
use bsv::wallet::interfaces::{GetPublicKeyArgs, ListOutputsArgs, OutputInclude};
use bsv::wallet::types::{BooleanDefaultFalse, BooleanDefaultTrue};

use crate::ids::IdentityKey;
use crate::outbound::WalletHttp;

use super::advertisement::{
    Advertisement, BASKET, KEY_ID, fields, wallet_counterparty, wallet_protocol,
};
use super::error::OverlayError;
use super::host::AdvertisedHost;
use super::locking::push_drop;
use super::network::Overlay;
use super::spending::{CreatedTransaction, UNREADABLE, WalletActions};

/// Maximum outputs that a wallet lists.
const MAX_LISTED: u32 = 10_000;

/// How an advertisement came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A new transaction was created for it.
    Created,
    /// The wallet had it but the overlay network did not, so it was submitted again.
    Resubmitted,
    /// It existed already, and nothing was done.
    Unchanged,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "made",
            Self::Resubmitted => "repeated",
            Self::Unchanged => "stood",
        })
    }
}

/// The result of advertising a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    pub identity_key: IdentityKey,
    pub txid: String,
    pub standing: Standing,
    /// Advertisements that the same transaction revoked.
    pub revoked: Vec<Advertisement>,
    /// Other advertisements of the identity, whose outputs this wallet cannot spend.
    pub foreign: Vec<Advertisement>,
}

/// The result of revoking advertisements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    pub identity_key: IdentityKey,
    /// The revoking transaction; none if there was nothing to revoke.
    pub txid: Option<String>,
    pub revoked: Vec<Advertisement>,
    /// Advertisements that could not be revoked, because this wallet cannot spend their outputs.
    pub foreign: Vec<Advertisement>,
}

/// An identity's wallet and the overlay network.
pub struct Advertiser {
    wallet: WalletActions,
    overlay: Overlay,
}

impl fmt::Debug for Advertiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advertiser")
            .field("overlay", &self.overlay)
            .finish_non_exhaustive()
    }
}

/// Spendable outputs of the wallet, with their advertisements.
struct WalletOutputs(HashMap<String, Option<Advertisement>>);

impl WalletOutputs {
    fn has(&self, advertisement: &Advertisement) -> bool {
        self.0.contains_key(&advertisement.outpoint())
    }
}

impl Advertiser {
    /// Uses the BRC-100 wallet at this URL, with `timeout` per answer. `originator` names the program to the wallet.
    #[must_use]
    pub fn new(originator: &str, wallet_url: &str, overlay: Overlay, timeout: Duration) -> Self {
        Self {
            wallet: WalletActions(WalletHttp::new(originator, wallet_url, timeout)),
            overlay,
        }
    }

    /// The identity key of the wallet.
    ///
    /// # Errors
    /// [`OverlayError`].
    pub async fn identity_key(&self) -> Result<IdentityKey, OverlayError> {
        let request = GetPublicKeyArgs {
            identity_key: true,
            protocol_id: None,
            key_id: None,
            counterparty: None,
            privileged: false,
            privileged_reason: None,
            for_self: None,
            seek_permission: None,
        };
        let answer = self.wallet.0.get_public_key(&request).await?;
        IdentityKey::from_sec1(&answer.public_key.to_der())
            .map_err(|_| OverlayError::WalletAnswer("no identity key"))
    }

    /// Advertises a host and replaces earlier advertisements. If the host is advertised already, nothing is paid.
    ///
    /// # Errors
    /// [`OverlayError`]. After [`OverlayError::Submit`] the wallet holds the advertisement, and another attempt only
    /// submits it again.
    pub async fn advertise(&self, host: &AdvertisedHost) -> Result<Advertised, OverlayError> {
        let identity_key = self.identity_key().await?;
        let known = self.overlay.advertisements(&identity_key).await?;
        let held = self.held(&identity_key).await?;
        let (own, foreign): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| held.has(one));
        let advertised = |txid: &str, standing, revoked, foreign| Advertised {
            identity_key,
            txid: txid.to_owned(),
            standing,
            revoked,
            foreign,
        };
        if let [only] = own.as_slice()
            && host.is(&only.host)
        {
            return Ok(advertised(
                &only.txid,
                Standing::Unchanged,
                Vec::new(),
                foreign,
            ));
        }
        // The wallet has it, but no overlay service does. It cannot replace others that are advertised already.
        let unpublished = held
            .0
            .into_values()
            .flatten()
            .find(|one| host.is(&one.host));
        if let Some(unpublished) = unpublished.filter(|_| own.is_empty()) {
            let made = CreatedTransaction::read(&unpublished.beef).ok_or(UNREADABLE)?;
            let (revoked, foreign) = foreign.into_iter().partition(|one| made.spends(one));
            self.overlay.submit(&made.txid, &made.beef).await?;
            return Ok(advertised(
                &made.txid,
                Standing::Resubmitted,
                revoked,
                foreign,
            ));
        }
        let script = self.locked(&identity_key, host).await?;
        let made = self
            .wallet
            .make("Advertise a MessageBox host", &own, Some(&script))
            .await?;
        self.overlay.submit(&made.txid, &made.beef).await?;
        Ok(advertised(&made.txid, Standing::Created, own, foreign))
    }

    /// The script of an advertisement, locked to a key of the wallet and signed with it.
    async fn locked(
        &self,
        identity: &IdentityKey,
        host: &AdvertisedHost,
    ) -> Result<Vec<u8>, OverlayError> {
        let key = GetPublicKeyArgs {
            identity_key: false,
            protocol_id: Some(wallet_protocol()),
            key_id: Some(KEY_ID.to_owned()),
            counterparty: Some(wallet_counterparty()),
            privileged: false,
            privileged_reason: None,
            for_self: Some(true),
            seek_permission: None,
        };
        let key = self.wallet.0.get_public_key(&key).await?.public_key;
        let mut fields = fields(identity, host);
        let signature = self.wallet.sign(fields.concat()).await?;
        fields.push(signature);
        Ok(push_drop(&key.to_der(), &fields))
    }

    /// Revokes all advertisements, or those of one host as it was advertised.
    ///
    /// # Errors
    /// [`OverlayError`].
    pub async fn revoke(&self, host: Option<&str>) -> Result<Revoked, OverlayError> {
        let identity_key = self.identity_key().await?;
        let mut known = self.overlay.advertisements(&identity_key).await?;
        let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
        known.retain(|one| host.is_none_or(|host| bare(host) == bare(&one.host)));
        let held = self.held(&identity_key).await?;
        let (own, foreign): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| held.has(one));
        let mut revoked = Revoked {
            identity_key,
            txid: None,
            revoked: own,
            foreign,
        };
        if !revoked.revoked.is_empty() {
            let made = self
                .wallet
                .make("Revoke a MessageBox host", &revoked.revoked, None)
                .await?;
            self.overlay.submit(&made.txid, &made.beef).await?;
            revoked.txid = Some(made.txid);
        }
        Ok(revoked)
    }

    async fn held(&self, identity: &IdentityKey) -> Result<WalletOutputs, OverlayError> {
        let request = ListOutputsArgs {
            basket: BASKET.to_owned(),
            tags: Vec::new(),
            tag_query_mode: None,
            include: Some(OutputInclude::EntireTransactions),
            include_custom_instructions: BooleanDefaultFalse(None),
            include_tags: BooleanDefaultFalse(None),
            include_labels: BooleanDefaultFalse(None),
            limit: Some(MAX_LISTED),
            offset: None,
            seek_permission: BooleanDefaultTrue(None),
        };
        let listed = self.wallet.0.list_outputs(&request).await?;
        let beef = listed.beef.as_deref();
        let beef = beef.and_then(|bytes| Beef::from_binary(&mut Cursor::new(bytes)).ok());
        let spendable = listed.outputs.into_iter().filter(|output| output.spendable);
        let held = spendable.map(|output| {
            let advertisement = beef
                .as_ref()
                .and_then(|beef| Advertisement::at(identity, beef, &output.outpoint));
            (output.outpoint, advertisement)
        });
        Ok(WalletOutputs(held.collect()))
    }
}
