//! Whether running scripts is affordable. The interpreter's numbers are slow and as large as a script makes them, so
//! scripts that grow numbers are not run at all; everything else is paid for out of a budget before it is run.

/// Bytes of one script.
const MAX_SCRIPT_BYTES: usize = 100_000;

/// What one signature check costs: about as much as going through so many bytes.
const SIGNATURE_CHECK: u64 = 1_000_000;

/// What copying a byte of a transaction costs, of which the interpreter gets a copy for each input.
const COPY: u64 = 16;

/// What may be done at a stretch, before others have their turn: 20 signature checks, which take some 20 ms.
pub const SLICE: u64 = 20 * SIGNATURE_CHECK;

/// What reading a transaction of these bytes costs, with its ancestors and proofs.
pub(super) const fn reading(bytes: &[u8]) -> u64 {
    bytes.len() as u64 * COPY
}

/// What checking one payment may cost: 500 signature checks, or whatever takes as long.
const MAX_COST: u64 = 500 * SIGNATURE_CHECK;

/// What one input of it may cost. Its scripts run at a stretch, while others wait.
const MAX_INPUT_COST: u64 = 5 * SLICE;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(MAX_COST)
    }

    /// What was paid for so far.
    pub(super) const fn spent(&self) -> u64 {
        MAX_COST - self.0
    }

    /// Pays for running the two scripts of an input of a transaction of this size, and says what that costs; `None` when it is
    /// not to be done.
    pub(super) fn pay(&mut self, scripts: [&[u8]; 2], transaction_bytes: usize) -> Option<u64> {
        let size = transaction_bytes as u64;
        let (mut checks, mut length) = (0, 0);
        for script in scripts {
            checks += signature_checks(script)? as u64;
            length += script.len() as u64;
        }
        // The outputs are copied for every input, and hashed for every signature. An item as long as half of both
        // scripts may be copied or hashed by each opcode of the other half.
        let cost = size * COPY + checks * (SIGNATURE_CHECK + size) + length * length / 4;
        if cost > MAX_INPUT_COST {
            return None;
        }
        self.0 = self.0.checked_sub(cost)?;
        Some(cost)
    }
}

/// Whether an opcode may be run: constants, flow, stack, `OP_SPLIT`, `OP_SIZE`, bitwise logic, comparisons, sums, hashes and
/// single signatures, which all cost what the script's length allows for. Everything else is not: it grows items or
/// numbers (one that shifts by 2^63 asks for more memory than there is and ends the process), or is unknown, or is
/// `OP_CHECKMULTISIG`, which the SDK's interpreter lets pass with empty signatures.
const fn is_run(op: u8) -> bool {
    matches!(
        op,
        0x00..=0x60 | 0x61 | 0x63..=0x64 | 0x67..=0x7d | 0x7f | 0x82..=0x88 | 0x8b..=0x8c | 0x8f..=0x94 | 0x9a..=0xad
    )
}

/// Signature checks that running these scripts may take; `None` when they are not to be run.
fn signature_checks(script: &[u8]) -> Option<usize> {
    if script.len() > MAX_SCRIPT_BYTES {
        return None;
    }
    let mut rest = script;
    let mut checks = 0;
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        let (size_bytes, size) = match op {
            0x01..=0x4b => (0, usize::from(*op)),
            0x4c => (1, little_endian(rest.get(..1)?)),
            0x4d => (2, little_endian(rest.get(..2)?)),
            0x4e => (4, little_endian(rest.get(..4)?)),
            0xac | 0xad => {
                checks += 1;
                continue;
            }
            op if is_run(*op) => continue,
            _ => return None,
        };
        // A push that breaks off is the interpreter's to refuse.
        rest = rest.get(size_bytes + size..).unwrap_or_default();
    }
    Some(checks)
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_and_pushed_bytes_are_not() {
        let p2pkh = [&[0x76, 0xa9, 0x14][..], &[0xac; 20], &[0x88, 0xac]].concat();
        assert_eq!(signature_checks(&p2pkh), Some(1));
        assert_eq!(signature_checks(&[0x51, 0xac, 0xad]), Some(2));
        assert_eq!(
            signature_checks(&[0x4c, 2, 0x7e, 0x95, 0x4d, 1, 0, 0x80, 0x51]),
            Some(0)
        );
        assert_eq!(signature_checks(&[]), Some(0));
    }

    #[test]
    fn a_budget_pays_for_so_much_and_no_more() {
        let checked: &[u8] = &[0xac];
        let times = |scripts: [&[u8]; 2], size| {
            let mut budget = Budget::new();
            (0..10_000)
                .take_while(|_| budget.pay(scripts, size).is_some())
                .count()
        };
        assert_eq!(times([checked, &[]], 0), 500);
        assert_eq!(times([checked, checked], 0), 249);
        // Large transactions and long scripts cost as much as signatures do.
        assert_eq!(times([checked, &[]], 1_000_000), 27);
        assert_eq!(times([&vec![0x61; 20_000], &[]], 0), 5);
        assert_eq!(times([&vec![0x61; 10_000], &vec![0x61; 10_000]], 0), 5);
        assert_eq!(times([&[], &[]], 1_000_000), 31);
        assert_eq!(times([&[0x95], &[]], 0), 0);
        // One input has a part of it.
        assert_eq!(times([&[0xac; 99], &[]], 0), 5);
        assert_eq!(times([&[0xac; 101], &[]], 0), 0);
    }

    #[test]
    fn what_grows_or_proves_nothing_is_not_run() {
        // Arithmetic that is not linear, what concatenates and shifts (the opcodes since 0xb0 too), and multisig.
        let refused = [
            0x7e, 0x80, 0x81, 0x8d, 0x8e, 0x95, 0x96, 0x97, 0x98, 0x99, 0xae, 0xaf,
        ];
        for op in refused.into_iter().chain(0xb0..=0xff) {
            assert_eq!(signature_checks(&[0x51, op]), None, "{op:x}");
        }
        for op in [
            0x00, 0x51, 0x61, 0x69, 0x6a, 0x75, 0x76, 0x87, 0x88, 0x93, 0xa9,
        ] {
            assert_eq!(signature_checks(&[0x51, op]), Some(0), "{op:x}");
        }
        assert_eq!(signature_checks(&vec![0x61; MAX_SCRIPT_BYTES + 1]), None);
        assert_eq!(signature_checks(&[0x4e, 1]), None);
    }
}
