//! A wallet of the SDK that also pays, with invented transactions: nobody checks those of PeerPay.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bsv::primitives::private_key::PrivateKey;
use bsv::wallet::error::WalletError;
use bsv::wallet::interfaces::*;
use bsv::wallet::proto_wallet::ProtoWallet;

#[derive(Clone)]
pub struct Purse {
    keys: Arc<ProtoWallet>,
    pub received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Purse {
    pub fn new() -> Self {
        let key = PrivateKey::from_random().expect("a random key");
        Self {
            keys: Arc::new(ProtoWallet::new(key)),
            received: Arc::default(),
        }
    }
}

/// Delegates to `ProtoWallet` whatever it can do.
macro_rules! purse {
    ([$($plain:ident -> $plain_result:ty;)*] $($name:ident($args:ty) -> $result:ty;)*) => {
        #[async_trait]
        impl WalletInterface for Purse {
            async fn create_action(
                &self,
                args: CreateActionArgs,
                _originator: Option<&str>,
            ) -> Result<CreateActionResult, WalletError> {
                let satoshis = args.outputs.iter().flatten().map(|output| output.satoshis).sum::<u64>();
                Ok(CreateActionResult {
                    txid: None,
                    tx: Some(satoshis.to_be_bytes().to_vec()),
                    no_send_change: None,
                    send_with_results: None,
                    signable_transaction: None,
                })
            }

            async fn internalize_action(
                &self,
                args: InternalizeActionArgs,
                _originator: Option<&str>,
            ) -> Result<InternalizeActionResult, WalletError> {
                self.received.lock().expect("the lock").push(args.tx);
                Ok(InternalizeActionResult { accepted: true })
            }

            $(async fn $name(&self, args: $args, originator: Option<&str>) -> Result<$result, WalletError> {
                WalletInterface::$name(&self.keys, args, originator).await
            })*

            $(async fn $plain(&self, originator: Option<&str>) -> Result<$plain_result, WalletError> {
                WalletInterface::$plain(&self.keys, originator).await
            })*
        }
    };
}

purse! {
    [
        is_authenticated -> AuthenticatedResult;
        wait_for_authentication -> AuthenticatedResult;
        get_height -> GetHeightResult;
        get_network -> GetNetworkResult;
        get_version -> GetVersionResult;
    ]
    sign_action(SignActionArgs) -> SignActionResult;
    abort_action(AbortActionArgs) -> AbortActionResult;
    list_actions(ListActionsArgs) -> ListActionsResult;
    list_outputs(ListOutputsArgs) -> ListOutputsResult;
    relinquish_output(RelinquishOutputArgs) -> RelinquishOutputResult;
    get_public_key(GetPublicKeyArgs) -> GetPublicKeyResult;
    reveal_counterparty_key_linkage(RevealCounterpartyKeyLinkageArgs) -> RevealCounterpartyKeyLinkageResult;
    reveal_specific_key_linkage(RevealSpecificKeyLinkageArgs) -> RevealSpecificKeyLinkageResult;
    encrypt(EncryptArgs) -> EncryptResult;
    decrypt(DecryptArgs) -> DecryptResult;
    create_hmac(CreateHmacArgs) -> CreateHmacResult;
    verify_hmac(VerifyHmacArgs) -> VerifyHmacResult;
    create_signature(CreateSignatureArgs) -> CreateSignatureResult;
    verify_signature(VerifySignatureArgs) -> VerifySignatureResult;
    acquire_certificate(AcquireCertificateArgs) -> Certificate;
    list_certificates(ListCertificatesArgs) -> ListCertificatesResult;
    prove_certificate(ProveCertificateArgs) -> ProveCertificateResult;
    relinquish_certificate(RelinquishCertificateArgs) -> RelinquishCertificateResult;
    discover_by_identity_key(DiscoverByIdentityKeyArgs) -> DiscoverCertificatesResult;
    discover_by_attributes(DiscoverByAttributesArgs) -> DiscoverCertificatesResult;
    get_header_for_height(GetHeaderArgs) -> GetHeaderResult;
}
