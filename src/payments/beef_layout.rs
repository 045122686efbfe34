//! Walks through the bytes of a BEEF (BRC-62, BRC-95, BRC-96) and checks that every length in it fits, and that there
//! is not too much of anything.
//!
//! The SDK's reader reserves what the lengths ask for before it reads, so that a few bytes of nonsense could ask for
//! more memory than there is and end the process; and it computes a merkle root for every leaf, looking each up from
//! the beginning. What passes here is as long as it says, and cheap to read.

/// Transactions in one BEEF.
const MAX_TRANSACTIONS: u64 = 1_000;
/// Inputs and outputs of all of them.
const MAX_PARTS: u64 = 50_000;
/// Levels of a merkle tree: more leaves than 2^64 transactions.
const MAX_TREE_HEIGHT: u8 = 64;
/// Leaves on one level of a merkle path: one for each transaction that it proves, and their neighbours.
const MAX_LEAVES_OF_LEVEL: u64 = 128;
/// Leaves of all merkle paths.
const MAX_LEAVES: u64 = 20_000;

const ATOMIC: u32 = 0x0101_0101;
const V1: u32 = 0xEFBE_0001;
const V2: u32 = 0xEFBE_0002;

/// Where the walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misfit(pub(super) &'static str);

struct Walk<'a> {
    rest: &'a [u8],
    parts: u64,
    leaves: u64,
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], Misfit> {
        let count = usize::try_from(count).map_err(|_| Misfit("a length does not fit"))?;
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Misfit("it breaks off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Misfit> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn number(&mut self, bytes: u64) -> Result<u64, Misfit> {
        let bytes = self.take(bytes)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn version(&mut self) -> Result<u32, Misfit> {
        u32::try_from(self.number(4)?).map_err(|_| Misfit("not a version"))
    }

    fn varint(&mut self) -> Result<u64, Misfit> {
        match self.byte()? {
            0xfd => self.number(2),
            0xfe => self.number(4),
            0xff => self.number(8),
            small => Ok(small.into()),
        }
    }

    fn bump(&mut self) -> Result<(), Misfit> {
        self.varint()?;
        let height = self.byte()?;
        if height == 0 || height > MAX_TREE_HEIGHT {
            return Err(Misfit("a merkle path is not of this world"));
        }
        for _ in 0..height {
            let leaves = self.varint()?;
            self.leaves = self.leaves.saturating_add(leaves);
            if leaves > MAX_LEAVES_OF_LEVEL || self.leaves > MAX_LEAVES {
                return Err(Misfit("its merkle paths have too many leaves"));
            }
            for _ in 0..leaves {
                self.varint()?;
                let is_duplicate = self.byte()? & 1 == 1;
                if !is_duplicate {
                    self.take(32)?;
                }
            }
        }
        Ok(())
    }

    /// The number of inputs or outputs.
    fn parts(&mut self) -> Result<u64, Misfit> {
        let parts = self.varint()?;
        self.parts = self.parts.saturating_add(parts);
        if self.parts > MAX_PARTS {
            return Err(Misfit("it has too many inputs and outputs"));
        }
        Ok(parts)
    }

    fn transaction(&mut self) -> Result<(), Misfit> {
        self.take(4)?;
        for _ in 0..self.parts()? {
            self.take(36)?;
            let script = self.varint()?;
            self.take(script)?;
            self.take(4)?;
        }
        for _ in 0..self.parts()? {
            self.take(8)?;
            let script = self.varint()?;
            self.take(script)?;
        }
        self.take(4)?;
        Ok(())
    }

    fn entry(&mut self, version: u32) -> Result<(), Misfit> {
        if version == V1 {
            self.transaction()?;
            if self.byte()? != 0 {
                self.varint()?;
            }
            return Ok(());
        }
        match self.byte()? {
            0 => self.transaction(),
            1 => {
                self.varint()?;
                self.transaction()
            }
            2 => self.take(32).map(drop),
            _ => Err(Misfit("a transaction is of an unknown format")),
        }
    }
}

/// Checks an `AtomicBEEF`: its prefix, and that all lengths fit and nothing is left over.
pub(super) fn check_layout(bytes: &[u8]) -> Result<(), Misfit> {
    let mut walk = Walk {
        rest: bytes,
        parts: 0,
        leaves: 0,
    };
    if walk.version()? != ATOMIC {
        return Err(Misfit("it is no AtomicBEEF"));
    }
    walk.take(32)?;
    let version = walk.version()?;
    if version != V1 && version != V2 {
        return Err(Misfit("it is of an unknown version"));
    }
    for _ in 0..walk.varint()? {
        walk.bump()?;
    }
    let transactions = walk.varint()?;
    if transactions > MAX_TRANSACTIONS {
        return Err(Misfit("it has too many transactions"));
    }
    for _ in 0..transactions {
        walk.entry(version)?;
    }
    if walk.rest.is_empty() {
        Ok(())
    } else {
        Err(Misfit("something is left over at its end"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::minting::Mint;
    use super::*;

    #[test]
    fn a_whole_beef_fits_and_no_part_of_it_does() {
        let bytes = Mint::new().pay(&[(vec![0x51], 5)]);
        assert_eq!(check_layout(&bytes), Ok(()));
        for end in 0..bytes.len() {
            assert!(check_layout(&bytes[..end]).is_err(), "{end}");
        }
        let more = [bytes.as_slice(), &[0]].concat();
        assert_eq!(
            check_layout(&more),
            Err(Misfit("something is left over at its end"))
        );
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused_at_once() {
        let mut bytes = Mint::new().pay(&[(vec![0x51], 5)]);
        // The number of bumps: 2^63.
        bytes.splice(40..41, [0xff, 0, 0, 0, 0, 0, 0, 0, 0x80]);
        assert!(check_layout(&bytes).is_err());
        // The leaves of the first level of the first bump: 200.
        let mut bytes = Mint::new().pay(&[(vec![0x51], 5)]);
        let at = bytes.windows(2).position(|pair| pair == [1, 2]).unwrap() + 1;
        bytes[at] = 200;
        assert_eq!(
            check_layout(&bytes),
            Err(Misfit("its merkle paths have too many leaves"))
        );
    }

    #[test]
    fn there_may_be_much_and_not_too_much() {
        let outputs = vec![(vec![0x51], 1); 50_001];
        assert_eq!(
            check_layout(&Mint::new().pay(&outputs)),
            Err(Misfit("it has too many inputs and outputs"))
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = check_layout(&bytes);
        }

        /// What passes here, the SDK reads without asking for more memory than there is.
        #[test]
        fn a_beef_with_wrong_bytes_is_refused_or_read(at in 0_usize..400, byte: u8) {
            let mut bytes = Mint::new().pay(&[(vec![0x51], 5)]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = super::super::beef::CheckedTransaction::read(&bytes);
        }
    }
}
