//! Messages that come with a payment.

use crate::auth::sha256;
use crate::ids::IdentityKey;
use crate::model::{FeeQuote, NewMessage, Paid, Payment, PaymentState};
use crate::payments::{Checked, Parties, PaymentDraft, PaymentError, VerifiedPayment};

use super::error::DeliveryError;
use super::submit::{Delivery, Sent};

impl Delivery {
    /// Checks that the payment pays what is due, and takes it with the messages, all or none.
    pub(super) async fn send_paid(
        &self,
        messages: Vec<NewMessage>,
        draft: PaymentDraft,
        quote: FeeQuote,
    ) -> Result<Vec<Sent>, DeliveryError> {
        let Some(payer) = messages.first().map(|message| message.sender) else {
            return Ok(Vec::new());
        };
        let parties = Parties {
            payer,
            server: self.till.identity().identity_key(),
            recipients: messages.iter().map(|message| message.recipient).collect(),
        };
        let checked = self
            .till
            .check(payer, move |keys, checks| {
                VerifiedPayment::verify(&draft, &quote, &parties, keys, checks)
            })
            .await?;
        // From here on it goes to its end, even when its client has gone: money changes hands.
        let delivery = self.clone();
        let settled = tokio::spawn(async move { delivery.settle(messages, payer, checked).await });
        let broken = |_| PaymentError::Invalid("it could not be settled".to_owned());
        settled.await.map_err(broken)?
    }

    async fn settle(
        &self,
        mut messages: Vec<NewMessage>,
        payer: IdentityKey,
        checked: Checked<VerifiedPayment>,
    ) -> Result<Vec<Sent>, DeliveryError> {
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
            Some(server) if self.till.asks() => self.till.take(&payment, server).await?,
            // It is claimed in the transaction that stores the messages.
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
        // Another request, with another payment, may have been faster with the same messages.
        let paid_for_nothing = match &stored {
            Ok(sent) => sent.iter().all(|sent| *sent == Sent::Already),
            Err(_) => true,
        };
        if paid_for_nothing && state == PaymentState::Internalized {
            self.till.give_up(payment, Some(state)).await;
        }
        stored
    }
}

/// What a payment for these messages is for: the same when they are sent again.
fn purpose(payer: IdentityKey, messages: &[NewMessage]) -> String {
    let mut text = payer.to_hex();
    for message in messages {
        // Ids and box names are of any form; JSON keeps them apart.
        let parts = (
            &message.message_box,
            message.recipient.to_hex(),
            &message.message_id,
        );
        text.push_str(&serde_json::to_string(&parts).unwrap_or_default());
    }
    hex::encode(sha256(text.as_bytes()))
}
