//! Decides whether scripts are affordable. The interpreter's numbers are slow, and scripts can make them arbitrarily
//! large. So scripts that grow numbers never run. All other work is paid from a budget before it runs.

/// Maximum bytes of one script.
const MAX_SCRIPT_BYTES: usize = 100_000;

/// The cost of a signature check: about the time of scanning this many bytes.
const SIGNATURE_CHECK: u64 = 1_000_000;

/// The cost per byte of copying a transaction. The interpreter gets a copy for each input.
const COPY: u64 = 16;

/// The cost of one uninterrupted slice of work: 20 signature checks, about 20 ms.
pub const SLICE: u64 = 20 * SIGNATURE_CHECK;

/// The cost of parsing a transaction of these bytes, with its ancestors and proofs.
pub(in crate::payments) const fn reading(bytes: &[u8]) -> u64 {
    bytes.len() as u64 * COPY
}

/// Maximum cost of checking one payment: 500 signature checks, or equivalent work.
const MAX_COST: u64 = 500 * SIGNATURE_CHECK;

/// Maximum cost of one input, whose scripts run uninterrupted.
const MAX_INPUT_COST: u64 = 5 * SLICE;

/// What the scripts of one payment may still cost.
#[derive(Debug)]
pub(in crate::payments) struct ScriptBudget(u64);

impl ScriptBudget {
    pub(in crate::payments) const fn new() -> Self {
        Self(MAX_COST)
    }

    /// The cost paid so far.
    pub(in crate::payments) const fn spent(&self) -> u64 {
        MAX_COST - self.0
    }

    /// Pays for the two scripts of an input and returns their cost. Returns `None` if they must not run.
    pub(in crate::payments) fn pay(
        &mut self,
        scripts: [&[u8]; 2],
        transaction_bytes: usize,
    ) -> Option<u64> {
        let size = transaction_bytes as u64;
        let (mut checks, mut length) = (0, 0);
        for script in scripts {
            checks += signature_checks(script)? as u64;
            length += script.len() as u64;
        }
        // The interpreter copies the outputs for every input and hashes them for every signature. An item may be half
        // as long as both scripts together. Each opcode of the other half may copy or hash it.
        let cost = size * COPY + checks * (SIGNATURE_CHECK + size) + length * length / 4;
        if cost > MAX_INPUT_COST {
            return None;
        }
        self.0 = self.0.checked_sub(cost)?;
        Some(cost)
    }
}

/// Whether an opcode may run: constants, flow, stack, `OP_SPLIT`, `OP_SIZE`, bitwise logic, comparisons, sums, hashes
/// and single signatures. The script's length bounds their cost.
///
/// Other opcodes are refused. Some grow items or numbers: a shift by 2^63 exhausts memory and crashes the process. Some
/// are unknown. The SDK's interpreter accepts `OP_CHECKMULTISIG` with empty signatures.
const fn is_run(op: u8) -> bool {
    matches!(
        op,
        0x00..=0x60 | 0x61 | 0x63..=0x64 | 0x67..=0x7d | 0x7f | 0x82..=0x88 | 0x8b..=0x8c | 0x8f..=0x94 | 0x9a..=0xad
    )
}

/// The number of signature checks in a script; `None` if the script must not run.
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
        // The interpreter refuses a truncated push.
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
            let mut budget = ScriptBudget::new();
            (0..10_000)
                .take_while(|_| budget.pay(scripts, size).is_some())
                .count()
        };
        assert_eq!(times([checked, &[]], 0), 500);
        assert_eq!(times([checked, checked], 0), 249);
        // Large transactions and long scripts cost as much as signatures.
        assert_eq!(times([checked, &[]], 1_000_000), 27);
        assert_eq!(times([&vec![0x61; 20_000], &[]], 0), 5);
        assert_eq!(times([&vec![0x61; 10_000], &vec![0x61; 10_000]], 0), 5);
        assert_eq!(times([&[], &[]], 1_000_000), 31);
        assert_eq!(times([&[0x95], &[]], 0), 0);
        // One input may use a part of it.
        assert_eq!(times([&[0xac; 99], &[]], 0), 5);
        assert_eq!(times([&[0xac; 101], &[]], 0), 0);
    }

    #[test]
    fn what_grows_or_proves_nothing_is_not_run() {
        // Nonlinear arithmetic, concatenation and shifts (including the opcodes from 0xb0), and multisig.
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
