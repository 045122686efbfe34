//! Which of the named outputs is whose.

use crate::ids::IdentityKey;
use crate::model::Quote;

use super::draft::DraftOutput;
use super::error::PaymentError;

/// The outputs of each party, as positions in the list that the sender gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Allocation {
    /// The server's, where it asks for a fee.
    pub(super) server: Option<usize>,
    /// Those of each recipient, in the order of the recipients.
    pub(super) recipients: Vec<Vec<usize>>,
}

/// Hands the outputs out: the first to the server if it asks for a fee; those that are tagged to whom they name; the
/// others, in their order, to the recipients who ask for a fee and have none. What is left goes to those who ask for
/// nothing.
pub(super) fn allocate(
    outputs: &[DraftOutput],
    quote: &Quote,
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
    // Those who ask come first, then those who do not.
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
    // More outputs than parties: to whom they name, or to the only recipient there is.
    for position in free {
        let named = recipients
            .iter()
            .position(|recipient| tag(position) == Some(*recipient));
        let only = (recipients.len() == 1 && tag(position).is_none()).then_some(0);
        let own = named
            .or(only)
            .and_then(|index| allocation.recipients.get_mut(index));
        // What nobody is told of would be lost.
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
        let quote = Quote {
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
            // The one who asks goes first; what is left is kept for the other.
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
            // One is for anybody, or for somebody else.
            (0, vec![0, 0], vec![None; 3], PaymentError::OutputForNobody),
            (0, vec![0], vec![Some(2)], PaymentError::OutputForNobody),
            // Both are for the second.
            (
                0,
                vec![5, 6],
                vec![Some(1), Some(1)],
                PaymentError::MissingRecipientOutput(keys[0]),
            ),
            // It names somebody who is not a recipient.
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
