//! Whether running a script is affordable. The interpreter's numbers are slow and as large as a script makes them, so
//! scripts that grow numbers are not run at all, and signature checks are counted.

/// Bytes of one script.
const MAX_SCRIPT_BYTES: usize = 100_000;

/// Opcodes that make an item on the stack longer than the script, or do arithmetic that is not linear in its length:
/// `OP_CAT`, `OP_NUM2BIN`, `OP_MUL`, `OP_DIV`, `OP_MOD`, `OP_LSHIFT`, `OP_RSHIFT`.
const COSTLY: [u8; 7] = [0x7e, 0x80, 0x95, 0x96, 0x97, 0x98, 0x99];

/// Signature checks that `OP_CHECKMULTISIG` may stand for.
const MULTISIG_CHECKS: usize = 20;

/// Signature checks that running these scripts may take; `None` when they are not to be run.
pub(super) fn signature_checks(script: &[u8]) -> Option<usize> {
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
            0xae | 0xaf => {
                checks += MULTISIG_CHECKS;
                continue;
            }
            op if COSTLY.contains(op) => return None,
            _ => continue,
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
        assert_eq!(signature_checks(&[0x51, 0xae, 0xad]), Some(21));
        assert_eq!(
            signature_checks(&[0x4c, 2, 0x7e, 0x95, 0x4d, 1, 0, 0x80, 0x51]),
            Some(0)
        );
        assert_eq!(signature_checks(&[]), Some(0));
    }

    #[test]
    fn what_grows_numbers_is_not_run() {
        for op in COSTLY {
            assert_eq!(signature_checks(&[0x51, op]), None, "{op:x}");
        }
        assert_eq!(signature_checks(&vec![0x61; MAX_SCRIPT_BYTES + 1]), None);
        assert_eq!(signature_checks(&[0x4e, 1]), None);
    }
}
