//! Assigns the named outputs to the parties of a payment.

use crate::ids::IdentityKey;
use crate::model::FeeQuote;

use super::draft::DraftOutput;
use super::error::PaymentError;

/// The outputs of each party, as positions in the sender's list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Allocation {
    /// The server's output, if it asks for a fee.
    pub(super) server: Option<usize>,
    /// The outputs of each recipient, in the order of the recipients.
    pub(super) recipients: Vec<Vec<usize>>,
}

/// Assigns the outputs. The first one goes to the server if it asks for a fee. Tagged outputs go to the recipients that
/// they name. The others go, in order, to recipients that ask for a fee and have no output. The rest goes to recipients
/// that ask for nothing.
pub(super) fn allocate(
    outputs: &[DraftOutput],
    quote: &FeeQuote,
    recipients: &[IdentityKey],
) -> Result<Allocation, PaymentError> {
    let server = (quote.delivery_fee > 0).then_some(0);
    if server.is_some() && outputs.is_empty() {
        return Err(PaymentError::MissingDeliveryOutput);
    }
    let first = usize::from(server.is_some());
    let asks = |index: usize| quote.recipient_fees.get(index).is_some_and(|fee| *fee > 0);
    let expected = (0..recipients.len()).filter(|index| asks(*index)).count();
    let found = outputs.len() - first;
    if found < expected {
        return Err(match server {
            Some(_) => PaymentError::TooFewRemaining { expected, found },
            None => PaymentError::TooFewOutputs { expected, found },
        });
    }
    let mut free: Vec<usize> = (first..outputs.len()).collect();
    let tag = |position: usize| outputs.get(position).and_then(|output| output.tag);
    let mut allocation = Allocation {
        server,
        recipients: vec![Vec::new(); recipients.len()],
    };
    // Recipients that ask for a fee come first.
    let mut order: Vec<usize> = (0..recipients.len()).collect();
    order.sort_by_key(|index| !asks(*index));
    for index in order {
        let (Some(recipient), Some(own)) =
            (recipients.get(index), allocation.recipients.get_mut(index))
        else {
            continue;
        };
        let tagged = free.iter().position(|at| tag(*at) == Some(*recipient));
        let untagged = || free.iter().position(|at| tag(*at).is_none());
        match tagged.or_else(untagged) {
            Some(at) => own.push(free.remove(at)),
            None if asks(index) => {
                return Err(PaymentError::MissingRecipientOutput(*recipient));
            }
            None => {}
        }
    }
    // Surplus outputs go to the recipients that they name, or to the only recipient.
    for position in free {
        let named = recipients
            .iter()
            .position(|recipient| tag(position) == Some(*recipient));
        let only = (recipients.len() == 1 && tag(position).is_none()).then_some(0);
        let own = named
            .or(only)
            .and_then(|index| allocation.recipients.get_mut(index));
        // An output without a recipient would be lost.
        own.ok_or(PaymentError::OutputForNobody)?.push(position);
    }
    Ok(allocation)
}

#[cfg(test)]
mod tests {
    use super::super::draft::PaymentDraft;
    use super::*;
    use crate::auth::Identity;
    use serde_json::{Value, json};

    struct Case {
        delivery: u64,
        fees: Vec<i64>,
        tags: Vec<Option<usize>>,
    }

    fn keys(count: usize) -> Vec<IdentityKey> {
        (0..count)
            .map(|_| Identity::random().identity_key())
            .collect()
    }

    fn run(case: &Case, keys: &[IdentityKey]) -> Result<Allocation, PaymentError> {
        let outputs: Vec<Value> = case
            .tags
            .iter()
            .map(|tag| match tag {
                Some(index) => {
                    json!({"customInstructions": {"recipientIdentityKey": keys[*index].to_hex()}})
                }
                None => json!({}),
            })
            .collect();
        let draft = PaymentDraft::parse(&json!({ "outputs": outputs }).to_string());
        let quote = FeeQuote {
            delivery_fee: case.delivery,
            per_recipient: false,
            recipient_fees: case.fees.clone(),
        };
        allocate(&draft.outputs.unwrap(), &quote, &keys[..case.fees.len()])
    }

    #[test]
    fn outputs_go_to_whom_they_name_and_then_in_order() {
        type Row<'a> = (
            u64,
            &'a [i64],
            &'a [Option<usize>],
            Option<usize>,
            &'a [&'a [usize]],
        );
        let cases: [Row<'_>; 8] = [
            (0, &[5], &[None], None, &[&[0]]),
            (9, &[5], &[None, None], Some(0), &[&[1]]),
            (9, &[0], &[None], Some(0), &[&[]]),
            (0, &[5, 6], &[None, None], None, &[&[0], &[1]]),
            (0, &[5, 6], &[Some(1), Some(0)], None, &[&[1], &[0]]),
            (0, &[5, 6], &[Some(1), None], None, &[&[1], &[0]]),
            // The recipient that asks goes first. The rest is left for the other one.
            (0, &[0, 6], &[None, None], None, &[&[1], &[0]]),
            (0, &[5], &[None, None, None], None, &[&[0, 1, 2]]),
        ];
        for (delivery, fees, tags, server, expected) in cases {
            let case = Case {
                delivery,
                fees: fees.to_vec(),
                tags: tags.to_vec(),
            };
            let allocation = run(&case, &keys(3)).unwrap();
            let recipients: Vec<Vec<usize>> = expected.iter().map(|own| own.to_vec()).collect();
            assert_eq!(
                allocation,
                Allocation { server, recipients },
                "{fees:?} {tags:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_said_as_documented() {
        let keys = keys(3);
        let cases = [
            (9, vec![0], vec![], PaymentError::MissingDeliveryOutput),
            (
                0,
                vec![5, 6],
                vec![None],
                PaymentError::TooFewOutputs {
                    expected: 2,
                    found: 1,
                },
            ),
            (
                9,
                vec![5],
                vec![None],
                PaymentError::TooFewRemaining {
                    expected: 1,
                    found: 0,
                },
            ),
            // One output is for any recipient, or for another one.
            (0, vec![0, 0], vec![None; 3], PaymentError::OutputForNobody),
            (0, vec![0], vec![Some(2)], PaymentError::OutputForNobody),
            // Both are for the second recipient.
            (
                0,
                vec![5, 6],
                vec![Some(1), Some(1)],
                PaymentError::MissingRecipientOutput(keys[0]),
            ),
            // It names a party that is not a recipient.
            (
                0,
                vec![5],
                vec![Some(2)],
                PaymentError::MissingRecipientOutput(keys[0]),
            ),
        ];
        for (delivery, fees, tags, expected) in cases {
            let case = Case {
                delivery,
                fees,
                tags,
            };
            assert_eq!(run(&case, &keys), Err(expected));
        }
    }
}
