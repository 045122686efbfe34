//! Messages with a payment.

use crate::auth::sha256;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, NewMessage, Paid, Payment, PaymentState};
use crate::payments::{Checked, Parties, PaymentDraft, PaymentError, VerifiedPayment};

use super::error::DeliveryError;
use super::submit::{Delivery, SendStatus};

impl Delivery {
    /// Checks that the payment covers the fees, and stores it with the messages, all or none.
    pub(super) async fn send_paid(
        &self,
        messages: Vec<NewMessage>,
        draft: PaymentDraft,
        quote: FeeQuote,
    ) -> Result<Vec<SendStatus>, DeliveryError> {
        let Some(payer) = messages.first().map(|message| message.sender) else {
            return Ok(Vec::new());
        };
        let parties = Parties {
            payer,
            server: self.gate.identity().identity_key(),
            recipients: messages.iter().map(|message| message.recipient).collect(),
        };
        let checked = self
            .gate
            .check(payer, move |keys, checks| {
                VerifiedPayment::verify(&draft, &quote, &parties, keys, checks)
            })
            .await?;
        // Money changes hands: the rest runs to its end even if the client disconnects.
        let delivery = self.clone();
        let done = tokio::spawn(async move { delivery.store_paid(messages, payer, checked).await });
        let broken = |_| PaymentError::Invalid("it could not be settled".to_owned());
        done.await.map_err(broken)?
    }

    async fn store_paid(
        &self,
        mut messages: Vec<NewMessage>,
        payer: IdentityKey,
        checked: Checked<VerifiedPayment>,
    ) -> Result<Vec<SendStatus>, DeliveryError> {
        let settlement = checked.payment;
        let payment = Payment {
            payer,
            purpose: purpose(payer, &messages),
            outputs: settlement.outputs,
            spends: checked.spends,
        };
        for (message, share) in messages.iter_mut().zip(settlement.shares) {
            message.payment = share;
        }
        let state = match &settlement.server {
            Some(server) if self.gate.asks() => self.gate.accept(&payment, server).await?,
            // The transaction that stores the messages claims the payment.
            Some(_) => PaymentState::Kept,
            None => PaymentState::Claimed,
        };
        let paid = Paid {
            delivery: settlement.delivery,
            recipients: settlement.recipients,
            payment: payment.clone(),
            state,
        };
        let stored = self.store(messages, Some(paid), true).await;
        // Another request may have stored the same messages first, with another payment.
        let paid_for_nothing = match &stored {
            Ok(sent) => sent.iter().all(|sent| *sent == SendStatus::Duplicate),
            Err(_) => true,
        };
        if paid_for_nothing && state == PaymentState::Internalized {
            self.gate.release(payment, Some(state)).await;
        }
        stored
    }
}

/// The purpose of a payment for these messages: the same when they are sent again.
fn purpose(payer: IdentityKey, messages: &[NewMessage]) -> String {
    let mut text = payer.to_hex();
    for message in messages {
        // JSON separates ids and box names, which may hold any character.
        let parts = (
            &message.message_box,
            message.recipient.to_hex(),
            &message.message_id,
        );
        text.push_str(&serde_json::to_string(&parts).unwrap_or_default());
    }
    hex::encode(sha256(text.as_bytes()))
}
