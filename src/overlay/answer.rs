//! Answers of overlay services: outputs, with the transactions that prove them. Pure.

use serde::Deserialize;

/// Maximum outputs used per answer. An identity has a few advertisements, and a network has some dozens of services.
const MAX_OUTPUTS: usize = 1_000;
/// Bytes of a transaction id.
const TXID: usize = 32;

/// Outputs of transactions in one BEEF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outputs {
    /// The transactions, as any kind of BEEF.
    pub(super) beef: Vec<u8>,
    pub(super) named: Vec<OutputRef>,
}

/// One output of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputRef {
    /// Hexadecimal, in display order. None if the BEEF holds one transaction and its ancestors.
    pub(super) txid: Option<String>,
    pub(super) index: u32,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Json {
    #[serde(rename = "output-list")]
    OutputList { outputs: Vec<Entry> },
}

#[derive(Deserialize)]
struct Entry {
    beef: Vec<u8>,
    #[serde(rename = "outputIndex")]
    output_index: u32,
}

/// Parses an answer with this `Content-Type`: JSON, or bytes with one BEEF for all outputs (`X-Aggregation: yes`).
/// Returns `None` for other bodies.
pub(super) fn read(content_type: &str, body: &[u8]) -> Option<Vec<Outputs>> {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case("application/octet-stream") {
        return aggregated(body).map(|outputs| vec![outputs]);
    }
    let Json::OutputList { outputs } = serde_json::from_slice(body).ok()?;
    let each = outputs.into_iter().take(MAX_OUTPUTS).map(|entry| Outputs {
        beef: entry.beef,
        named: vec![OutputRef {
            txid: None,
            index: entry.output_index,
        }],
    });
    Some(each.collect())
}

/// Parses a count, then per output a transaction id, an index and a context with its length, and finally the BEEF.
fn aggregated(mut rest: &[u8]) -> Option<Outputs> {
    let count = number(&mut rest)?;
    let mut named = Vec::new();
    for _ in 0..count {
        let txid = take(&mut rest, TXID)?;
        let index = u32::try_from(number(&mut rest)?).ok()?;
        let context = number(&mut rest)?;
        take(&mut rest, usize::try_from(context).ok()?)?;
        if named.len() < MAX_OUTPUTS {
            named.push(OutputRef {
                txid: Some(hex::encode(txid)),
                index,
            });
        }
    }
    Some(Outputs {
        beef: rest.to_vec(),
        named,
    })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// Parses a number of one byte, or of two, four or eight bytes after a marker byte; little-endian.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let width = match *take(rest, 1)? {
        [0xfd] => 2,
        [0xfe] => 4,
        [0xff] => 8,
        [byte] => return Some(u64::from(byte)),
        _ => return None,
    };
    let bytes = take(rest, width)?.iter().rev();
    Some(bytes.fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINARY: &str = "application/octet-stream";

    fn named(txid: Option<&str>, index: u32) -> OutputRef {
        OutputRef {
            txid: txid.map(str::to_owned),
            index,
        }
    }

    #[test]
    fn outputs_are_read_as_json() {
        let body = br#"{"type":"output-list","outputs":[{"beef":[1,255],"outputIndex":7,"context":[1]},{"beef":[],"outputIndex":0}]}"#;
        let outputs = |beef: &[u8], index| Outputs {
            beef: beef.to_vec(),
            named: vec![named(None, index)],
        };
        for content_type in ["application/json", "", "text/plain; charset=utf-8"] {
            let expected = vec![outputs(&[1, 255], 7), outputs(&[], 0)];
            assert_eq!(read(content_type, body), Some(expected));
        }
        for wrong in [
            "",
            "[]",
            r#"{"type":"freeform","result":1}"#,
            r#"{"type":"output-list"}"#,
            r#"{"type":"output-list","outputs":[{"beef":[256],"outputIndex":0}]}"#,
            r#"{"type":"output-list","outputs":[{"beef":[1],"outputIndex":-1}]}"#,
        ] {
            assert_eq!(read("application/json", wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn outputs_of_one_beef_are_read_as_bytes() {
        let mut body = vec![2];
        body.extend([0xab; TXID]);
        // Output 258, and three bytes of context.
        body.extend([0xfd, 2, 1, 3, 9, 9, 9]);
        body.extend([0xcd; TXID]);
        body.extend([0, 0]);
        let without_beef = body.len();
        body.extend([1, 2, 3]);
        let (one, other) = ("ab".repeat(TXID), "cd".repeat(TXID));
        let expected = Outputs {
            beef: vec![1, 2, 3],
            named: vec![named(Some(&one), 258), named(Some(&other), 0)],
        };
        assert_eq!(read(BINARY, &body), Some(vec![expected.clone()]));
        let with_charset = "Application/Octet-Stream; x=y";
        assert_eq!(read(with_charset, &body), Some(vec![expected]));
        for end in 0..without_beef {
            assert_eq!(read(BINARY, &body[..end]), None, "{end}");
        }
        assert_eq!(
            read(BINARY, &[0]),
            Some(vec![Outputs {
                beef: Vec::new(),
                named: Vec::new()
            }])
        );
    }

    #[test]
    fn more_than_is_there_and_more_than_anybody_has_are_no_matter() {
        // A count and a length that exceed any memory.
        assert_eq!(read(BINARY, &[0xff; 9]), None);
        let mut body = vec![1];
        body.extend([0; TXID + 1]);
        body.extend([0xff; 9]);
        assert_eq!(read(BINARY, &body), None);
        let count = MAX_OUTPUTS + 1;
        let mut body = vec![0xfd];
        body.extend(u16::try_from(count).unwrap().to_le_bytes());
        body.extend(vec![0; count * (TXID + 2)]);
        let outputs = read(BINARY, &body).unwrap();
        assert_eq!(outputs[0].named.len(), MAX_OUTPUTS);
    }
}
