//! Checks the layout of a BEEF (BRC-62, BRC-95, BRC-96): every length fits, and no count is too large.
//!
//! The SDK's parser allocates what a length field asks for before it reads. A few crafted bytes could exhaust the
//! memory and end the process. It also computes a merkle root for every leaf, each from the start. What passes here has
//! the length that it claims and is cheap to parse.

/// Largest BEEF in bytes. In base64 it is as long as the largest payment of a request (BRC-118). A lower limit would refuse
/// payments whose coins are already spent. The SDK stores scripts as opcodes, which takes 32 times the memory.
const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Transactions of one BEEF.
const MAX_TRANSACTIONS: u64 = 1_000;
/// Inputs of all transactions. The cost of checking them is quadratic.
const MAX_INPUTS: u64 = 1_000;
/// Outputs of all transactions.
const MAX_OUTPUTS: u64 = 10_000;
/// The size of two hashes. A transaction of this size could be an inner node of a merkle tree.
const AMBIGUOUS_BYTES: usize = 64;
/// Levels of a merkle tree, enough for 2^32 transactions.
const MAX_TREE_HEIGHT: u8 = 32;
/// Leaves on one level of a merkle path: one for each proven transaction, and its neighbour.
const MAX_LEAVES_OF_LEVEL: u64 = 128;
/// Leaves of all merkle paths.
const MAX_LEAVES: u64 = 20_000;
/// Limits the cost of computing merkle roots: for each path, the leaves of its lowest level times all its leaves.
const MAX_LEAVES_VISITED: u64 = 100_000;

const ATOMIC: u32 = 0x0101_0101;
const V1: u32 = 0xEFBE_0001;
const V2: u32 = 0xEFBE_0002;

/// The first violation of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutError(pub &'static str);

struct Reader<'a> {
    rest: &'a [u8],
    inputs: u64,
    outputs: u64,
    leaves: u64,
    leaves_visited: u64,
}

impl<'a> Reader<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, LayoutError> {
        if bytes.len() > MAX_BYTES {
            return Err(LayoutError("it is too large"));
        }
        Ok(Self {
            rest: bytes,
            inputs: 0,
            outputs: 0,
            leaves: 0,
            leaves_visited: 0,
        })
    }

    /// Reads from the version to the end of the bytes.
    fn beef(&mut self) -> Result<(), LayoutError> {
        let version = self.version()?;
        if version != V1 && version != V2 {
            return Err(LayoutError("it is of an unknown version"));
        }
        for _ in 0..self.varint()? {
            self.bump()?;
        }
        let transactions = self.varint()?;
        if transactions > MAX_TRANSACTIONS {
            return Err(LayoutError("it has too many transactions"));
        }
        for _ in 0..transactions {
            self.entry(version)?;
        }
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(LayoutError("something is left over at its end"))
        }
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], LayoutError> {
        let count = usize::try_from(count).map_err(|_| LayoutError("a length does not fit"))?;
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(LayoutError("it breaks off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, LayoutError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn number(&mut self, bytes: u64) -> Result<u64, LayoutError> {
        let bytes = self.take(bytes)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn version(&mut self) -> Result<u32, LayoutError> {
        u32::try_from(self.number(4)?).map_err(|_| LayoutError("not a version"))
    }

    fn varint(&mut self) -> Result<u64, LayoutError> {
        match self.byte()? {
            0xfd => self.number(2),
            0xfe => self.number(4),
            0xff => self.number(8),
            small => Ok(small.into()),
        }
    }

    fn bump(&mut self) -> Result<(), LayoutError> {
        self.varint()?;
        let height = self.byte()?;
        if height == 0 || height > MAX_TREE_HEIGHT {
            return Err(LayoutError(
                "the merkle path is invalid: its height exceeds the tree",
            ));
        }
        let too_many = || LayoutError("its merkle paths have too many leaves");
        let (before, mut lowest) = (self.leaves, None);
        for _ in 0..height {
            let leaves = self.varint()?;
            self.leaves = self.leaves.saturating_add(leaves);
            if leaves > MAX_LEAVES_OF_LEVEL || self.leaves > MAX_LEAVES {
                return Err(too_many());
            }
            lowest.get_or_insert(leaves);
            for _ in 0..leaves {
                self.varint()?;
                let is_duplicate = self.byte()? & 1 == 1;
                if !is_duplicate {
                    self.take(32)?;
                }
            }
        }
        self.leaves_visited += lowest.unwrap_or(0) * (self.leaves - before);
        if self.leaves_visited > MAX_LEAVES_VISITED {
            return Err(too_many());
        }
        Ok(())
    }

    fn transaction(&mut self) -> Result<(), LayoutError> {
        let before = self.rest.len();
        self.take(4)?;
        let inputs = self.varint()?;
        self.inputs = self.inputs.saturating_add(inputs);
        if self.inputs > MAX_INPUTS {
            return Err(LayoutError("it has too many inputs"));
        }
        for _ in 0..inputs {
            self.take(36)?;
            let script = self.varint()?;
            self.take(script)?;
            self.take(4)?;
        }
        let outputs = self.varint()?;
        self.outputs = self.outputs.saturating_add(outputs);
        if self.outputs > MAX_OUTPUTS {
            return Err(LayoutError("it has too many outputs"));
        }
        for _ in 0..outputs {
            self.take(8)?;
            let script = self.varint()?;
            self.take(script)?;
        }
        self.take(4)?;
        if before - self.rest.len() == AMBIGUOUS_BYTES {
            return Err(LayoutError(
                "a transaction could be a part of a merkle tree",
            ));
        }
        Ok(())
    }

    fn entry(&mut self, version: u32) -> Result<(), LayoutError> {
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
            _ => Err(LayoutError("a transaction is of an unknown format")),
        }
    }
}

/// Checks an `AtomicBEEF`: its prefix, all lengths, and that no bytes follow.
///
/// # Errors
/// [`LayoutError`].
pub fn check_layout(bytes: &[u8]) -> Result<(), LayoutError> {
    let mut reader = Reader::of(bytes)?;
    if reader.version()? != ATOMIC {
        return Err(LayoutError("it is no AtomicBEEF"));
    }
    reader.take(32)?;
    reader.beef()
}

/// Checks a BEEF of any kind, with or without the atomic prefix.
///
/// # Errors
/// [`LayoutError`].
pub fn check_any_layout(bytes: &[u8]) -> Result<(), LayoutError> {
    if Reader::of(bytes)?.version()? == ATOMIC {
        check_layout(bytes)
    } else {
        Reader::of(bytes)?.beef()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minting::Mint;

    #[test]
    fn a_whole_beef_fits_and_no_part_of_it_does() {
        let bytes = Mint::new().pay(&[(vec![0x51], 5)]);
        assert_eq!(check_layout(&bytes), Ok(()));
        for end in 0..bytes.len() {
            assert!(check_layout(&bytes[..end]).is_err(), "{end}");
        }
        // The same BEEF without the prefix, which is not atomic.
        assert_eq!(check_any_layout(&bytes), Ok(()));
        assert_eq!(check_any_layout(&bytes[36..]), Ok(()));
        assert!(check_layout(&bytes[36..]).is_err());
        for end in 36..bytes.len() {
            assert!(check_any_layout(&bytes[36..end]).is_err(), "{end}");
        }
        let more = [bytes.as_slice(), &[0]].concat();
        assert_eq!(
            check_layout(&more),
            Err(LayoutError("something is left over at its end"))
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
        // The hashes before the bumps may contain any bytes.
        let (hashes, bumps) = bytes.split_at_mut(41);
        assert_eq!(hashes[40], 1);
        let levels = bumps.windows(2).position(|pair| pair == [1, 2]).unwrap();
        bumps[levels + 1] = 200;
        assert_eq!(
            check_layout(&bytes),
            Err(LayoutError("its merkle paths have too many leaves"))
        );
    }

    fn beef_of(bumps: &[Vec<u8>], transactions: &[Vec<u8>]) -> Vec<u8> {
        let count = |items: &[Vec<u8>]| vec![u8::try_from(items.len()).unwrap()];
        let mut bytes = vec![1; 4];
        bytes.extend([7; 32]);
        bytes.extend(V2.to_le_bytes());
        bytes.extend(count(bumps));
        bytes.extend(bumps.concat());
        bytes.extend(count(transactions));
        for transaction in transactions {
            bytes.push(0);
            bytes.extend(transaction);
        }
        bytes
    }

    fn transaction(inputs: u16, outputs: u16, script: u8) -> Vec<u8> {
        let number = |number: u16| [&[0xfd][..], &number.to_le_bytes()].concat();
        let mut bytes = vec![0; 4];
        bytes.extend(number(inputs));
        bytes.extend(vec![0; usize::from(inputs) * 41]);
        bytes.extend(number(outputs));
        for _ in 0..outputs {
            bytes.extend([0; 8]);
            bytes.push(script);
            bytes.extend(vec![0; usize::from(script)]);
        }
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn there_may_be_much_and_not_too_much() {
        let verdict = |transactions: &[Vec<u8>]| check_layout(&beef_of(&[], transactions));
        assert_eq!(
            verdict(&[transaction(999, 9_999, 1), transaction(1, 1, 1)]),
            Ok(())
        );
        assert_eq!(
            verdict(&[transaction(1_000, 1, 1), transaction(1, 1, 1)]),
            Err(LayoutError("it has too many inputs"))
        );
        assert_eq!(
            verdict(&[transaction(1, 10_000, 1), transaction(1, 1, 1)]),
            Err(LayoutError("it has too many outputs"))
        );
        assert_eq!(
            check_layout(&vec![1; MAX_BYTES + 1]),
            Err(LayoutError("it is too large"))
        );
    }

    #[test]
    fn what_could_be_an_inner_node_is_no_transaction() {
        let ambiguous = |script| check_layout(&beef_of(&[], &[transaction(0, 1, script)]));
        // 4 + 3 + 0 + 3 + 8 + 1 + script + 4 bytes.
        assert_eq!((ambiguous(40), ambiguous(42)), (Ok(()), Ok(())));
        assert!(ambiguous(41).is_err());
    }

    #[test]
    fn merkle_paths_cost_little_to_follow() {
        let level = |leaves: u8| {
            let leaf = [&[0, 2][..], &[9; 32]].concat();
            [&[leaves][..], &leaf.repeat(leaves.into())].concat()
        };
        let bump = |levels: &[u8]| {
            let height = u8::try_from(levels.len()).unwrap();
            let levels: Vec<Vec<u8>> = levels.iter().copied().map(level).collect();
            [&[0, height][..], &levels.concat()].concat()
        };
        let verdict = |bump: Vec<u8>, times| check_layout(&beef_of(&vec![bump; times], &[]));
        let tall = |height| bump(&vec![1; height]);
        assert_eq!(verdict(tall(32), 200), Ok(()));
        assert!(verdict(tall(33), 1).is_err());
        // 100 leaves, and 100 visits for each.
        assert_eq!(verdict(bump(&[100]), 10), Ok(()));
        assert!(verdict(bump(&[100]), 11).is_err());
        assert_eq!(verdict(bump(&[1, 99]), 11), Ok(()));
        assert!(verdict(bump(&[129]), 1).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = check_layout(&bytes);
        }

        /// The SDK parses what passes here without exhausting the memory.
        #[test]
        fn a_beef_with_wrong_bytes_is_refused_or_read(at in 0_usize..400, byte: u8) {
            let mut bytes = Mint::new().pay(&[(vec![0x51], 5)]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = crate::payments::CheckedTransaction::read(&bytes);
        }
    }
}
