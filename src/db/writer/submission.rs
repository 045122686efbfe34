//! Submissions: fees, payment and storage in one transaction, all or nothing.

use diesel::prelude::*;

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::clock::Now;
use crate::db::store::command::{
    Attempt, Batching, Decided, WriteCommand, WriteScope, all_or_nothing,
};
use crate::db::store::fees::quote;
use crate::db::store::messages::message_store::{in_use, store};
use crate::db::store::payments::payment_store::claim;
use crate::db::store::totals::exceeded_by_stored;
use crate::ids::IdentityKey;
use crate::model::{
    ClaimOutcome, FeeQuote, NewMessage, Paid, PaymentState, StoreOutcome, Submission, SubmitOutcome,
};

impl Paid {
    fn covers(&self, quote: &FeeQuote) -> bool {
        if self.state == PaymentState::Internalized {
            // The payment was checked against the price at that time, and a wallet has accepted it. Later price changes
            // or blocks do not apply.
            return true;
        }
        let recipients = quote.recipient_fees.iter().enumerate();
        self.delivery >= quote.delivery_due()
            && recipients
                .map(|(index, fee)| (self.recipients.get(index).copied().unwrap_or(0), *fee))
                .all(|(paid, fee)| u64::try_from(fee).is_ok_and(|fee| paid >= fee))
    }
}

impl WriteCommand for Submission {
    type Output = SubmitOutcome;

    fn owner(&self) -> Option<IdentityKey> {
        self.messages.first().map(|message| message.sender)
    }

    fn places(&self) -> usize {
        let paid = self.paid.as_ref().map_or(0, |paid| paid.payment.rows());
        (self.messages.len() + paid).max(1)
    }

    /// The recipients share one body, but each has its own payment.
    fn bytes(&self) -> usize {
        let payments = self
            .messages
            .iter()
            .filter_map(|message| message.payment.as_ref());
        let body = self
            .messages
            .first()
            .map_or(0, |message| message.body.bytes());
        payments.fold(body, |bytes, payment| bytes.saturating_add(payment.len()))
    }

    fn messages(&self) -> usize {
        self.messages.len()
    }

    fn has_payment(&self) -> bool {
        self.has_payment || self.paid.is_some()
    }

    fn batching(&self) -> Batching<'_> {
        match self.paid {
            None => Batching::Submission(self),
            Some(_) => Batching::Individual,
        }
    }

    fn output_of(&self, decided: Decided) -> Option<SubmitOutcome> {
        match decided {
            Decided::Submission(outcome) => Some(outcome),
            Decided::Acknowledged(_) => None,
        }
    }

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<SubmitOutcome> {
        let Some(first) = self.messages.first() else {
            return Ok(SubmitOutcome::Stored(Vec::new()));
        };
        let recipients = self.messages.iter().map(|message| message.recipient);
        let quote = quote(
            scope.connection,
            scope.fees,
            &first.sender,
            recipients,
            &first.message_box,
        )?;
        let covered = self.paid.as_ref().is_some_and(|paid| paid.covers(&quote));
        if !quote.is_free() && !covered {
            return unpaid(scope.connection, &self.messages, quote, scope.now);
        }
        all_or_nothing(scope, |scope| self.store_all(scope))
    }

    fn stored(self, output: &SubmitOutcome) -> Vec<NewMessage> {
        let SubmitOutcome::Stored(outcomes) = output else {
            return Vec::new();
        };
        let is_new = |outcome: &StoreOutcome| *outcome == StoreOutcome::Stored;
        let pairs = self.messages.into_iter().zip(outcomes);
        pairs
            .filter_map(|(message, outcome)| is_new(outcome).then_some(message))
            .collect()
    }
}

impl Submission {
    fn store_all(&self, scope: &mut WriteScope<'_>) -> QueryResult<Attempt<SubmitOutcome>> {
        let mut outcomes = Vec::with_capacity(self.messages.len());
        for message in &self.messages {
            match store(scope, message)? {
                StoreOutcome::Taken => {
                    return Ok(Attempt::Refused(SubmitOutcome::Taken(message.recipient)));
                }
                outcome => outcomes.push(outcome),
            }
        }
        // A wallet has accepted the payment, so no quota refuses its messages.
        let paid = self.paid.as_ref();
        if paid.is_none_or(|paid| paid.state != PaymentState::Internalized) {
            let new = self.messages.iter().zip(&outcomes);
            let new = new.filter(|(_, outcome)| **outcome == StoreOutcome::Stored);
            let exceeded = exceeded_by_stored(scope, new.map(|(message, _)| message))?;
            if let Some(exceeded) = exceeded {
                return Ok(Attempt::Refused(SubmitOutcome::Full(exceeded)));
            }
        }
        let is_new = outcomes.contains(&StoreOutcome::Stored);
        if let Some(paid) = self.paid.as_ref().filter(|_| is_new) {
            let claimed = claim(scope, &paid.payment, paid.state, true)?;
            if let ClaimOutcome::Spent(spent) = claimed {
                return Ok(Attempt::Refused(SubmitOutcome::Spent(spent)));
            }
        }
        Ok(Attempt::Done(SubmitOutcome::Stored(outcomes)))
    }
}

/// The outcome of an unpaid submission. A duplicate is not charged again, and a later block does not apply to it.
fn unpaid(
    connection: &mut AnyConnection,
    messages: &[NewMessage],
    quote: FeeQuote,
    now: &Now,
) -> QueryResult<SubmitOutcome> {
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        outcomes.push(in_use(connection, message, now)?);
    }
    Ok(refusal(messages, &outcomes, quote))
}

/// As [`unpaid`], given the outcome of each message whose id is in use.
pub(crate) fn refusal(
    messages: &[NewMessage],
    outcomes: &[Option<StoreOutcome>],
    quote: FeeQuote,
) -> SubmitOutcome {
    let duplicate = Some(StoreOutcome::Duplicate);
    if outcomes.iter().all(|outcome| *outcome == duplicate) {
        let outcomes = vec![StoreOutcome::Duplicate; messages.len()];
        return SubmitOutcome::Stored(outcomes);
    }
    if !quote.blocks() {
        // No sender should pay for a message that cannot be stored.
        let taken = Some(StoreOutcome::Taken);
        let taken = outcomes.iter().position(|outcome| *outcome == taken);
        let taken = taken.and_then(|index| messages.get(index));
        return match taken {
            Some(message) => SubmitOutcome::Taken(message.recipient),
            None => SubmitOutcome::Due(quote),
        };
    }
    let fees = messages.iter().zip(&quote.recipient_fees);
    let blocking = fees.filter_map(|(message, fee)| (*fee < 0).then_some(message.recipient));
    SubmitOutcome::Blocked(blocking.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Identity;
    use crate::model::MessageBody;

    #[test]
    fn recipients_share_a_body_and_have_payments_of_their_own() {
        let key = || Identity::random().identity_key();
        let sender = key();
        let message = |payment: Option<&'static str>| NewMessage {
            recipient: key(),
            sender,
            message_box: "inbox".to_owned(),
            message_id: "1".to_owned(),
            body: MessageBody::Text("x".repeat(100).into()),
            payment: payment.map(Into::into),
            expires_at: None,
            room: None,
        };
        let bytes = |messages| {
            Submission {
                messages,
                paid: None,
                has_payment: false,
            }
            .bytes()
        };
        assert_eq!(bytes(Vec::new()), 0);
        assert_eq!(bytes(vec![message(None), message(None)]), 100);
        assert_eq!(bytes(vec![message(Some("{}")), message(Some("{ }"))]), 105);
    }
}
