//! Reads the CSV file that Microsoft Entra takes (contract of Graph's hardware tokens) into rows: a header and the
//! columns `upn, serial number, secret key, time interval, manufacturer, model`, in any order; `hash function`,
//! `otp type` and `digits` may follow. One row at a time is in memory. Knows no database.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Parsed;
use crate::{
    error::{Error, Result},
    hardware_oath::inventory::NewDevice,
    store::devices::{DeviceHash, OtpType},
};

/// Rows of one file.
pub const MAX_ROWS: usize = 100_000;
/// Bytes of one file.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The longest field, in characters.
const MAX_FIELD_LENGTH: usize = 1_000;

const COLUMNS: [&str; 6] = ["upn", "serial number", "secret key", "time interval", "manufacturer", "model"];
/// Beyond what Entra takes; a file may leave them out, and a row may leave them empty.
const MORE_COLUMNS: [&str; 3] = ["hash function", "otp type", "digits"];

/// Reads a file from end to end and keeps nothing: one without the right header, that is too long or no CSV is refused
/// whole, before anything lands.
pub fn check(file: impl Read) -> Result<()> {
    for (index, row) in Rows::open(file)?.enumerate() {
        row.map(drop)?;
        if index == MAX_ROWS {
            return Err(refuse(format!("A file has at most {MAX_ROWS} rows; split it.")));
        }
    }
    Ok(())
}

/// The rows of a file, one at a time: where each begins, and the token or what is wrong with it.
pub struct Rows<R> {
    csv: csv::Reader<Lines<R>>,
    columns: Columns,
}

impl<R: Read> Rows<R> {
    pub fn open(file: R) -> Result<Self> {
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(Lines::new(file));
        let columns = columns(csv.byte_headers().map_err(|error| unreadable(&error))?)?;
        Ok(Self { csv, columns })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Parsed>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = csv::ByteRecord::new();
        match self.csv.read_byte_record(&mut record) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.csv.get_mut().of_record_at(record.position().map_or(0, csv::Position::byte));
                Some(Ok((line, read_row(&self.columns, &record))))
            }
            Err(error) => Some(Err(unreadable(&error))),
        }
    }
}

fn refuse(message: String) -> Error {
    Error::invalid("file", message)
}

fn unreadable(error: &csv::Error) -> Error {
    refuse(format!("The file cannot be read: {error}."))
}

/// Passes a file on and counts its lines as an editor does. (The csv crate's own count names the blank line before a
/// record, and in files with CRLF the line before it.)
struct Lines<R> {
    inner: R,
    /// What was passed on and not counted yet: the record that is being read, and what is read ahead.
    uncounted: Zeroizing<Vec<u8>>,
    /// Bytes that were counted.
    offset: usize,
    line: u64,
}

impl<R> Lines<R> {
    fn new(inner: R) -> Self {
        Self { inner, uncounted: Zeroizing::default(), offset: 0, line: 1 }
    }

    /// The line of the first byte at or after `offset` that belongs to a record. Offsets never go down.
    fn of_record_at(&mut self, offset: u64) -> u64 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut counted = 0;
        while let Some(byte) = self.uncounted.get(counted) {
            let is_break = matches!(byte, b'\n' | b'\r');
            if self.offset + counted >= offset && !is_break {
                break;
            }
            counted += 1;
            let is_first_half = *byte == b'\r' && self.uncounted.get(counted) == Some(&b'\n');
            self.line += u64::from(is_break && !is_first_half);
        }
        self.uncounted.drain(..counted);
        self.offset += counted;
        self.line
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.uncounted.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if self.offset + self.uncounted.len() > MAX_BYTES {
            return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes; split it")));
        }
        Ok(length)
    }
}

/// Where in a row each of our columns is.
type Columns = BTreeMap<&'static str, usize>;

fn columns(header: &csv::ByteRecord) -> Result<Columns> {
    let expected = || format!("The first line of the file names the columns {}.", COLUMNS.join(","));
    let mut columns = Columns::new();
    for (index, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches('\u{feff}').trim();
        let mut known = COLUMNS.into_iter().chain(MORE_COLUMNS);
        let Some(known) = known.find(|column| is_same_column(column, name)) else {
            let name: String = name.chars().filter(|char| !char.is_control()).take(64).collect();
            return Err(refuse(format!("The column '{name}' is not known. {}", expected())));
        };
        if columns.insert(known, index).is_some() {
            return Err(refuse(format!("The column '{known}' is there twice. {}", expected())));
        }
    }
    match COLUMNS.into_iter().find(|column| !columns.contains_key(column)) {
        Some(missing) => Err(refuse(format!("The column '{missing}' is missing. {}", expected()))),
        None => Ok(columns),
    }
}

/// `otpType` and `OTP type` are one column.
fn is_same_column(column: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|char| *char != ' ').collect::<String>();
    letters(column).eq_ignore_ascii_case(&letters(name))
}

fn read_row(columns: &Columns, record: &csv::ByteRecord) -> std::result::Result<NewDevice, String> {
    if record.len() > columns.len() {
        return Err(format!("The row has {} fields, the header {}.", record.len(), columns.len()));
    }
    let field = |name: &'static str| {
        let bytes = columns.get(name).and_then(|index| record.get(*index));
        let bytes = bytes.ok_or_else(|| format!("The field '{name}' is missing."))?;
        let text = std::str::from_utf8(bytes).map_err(|_| format!("The field '{name}' is not UTF-8."))?;
        // A quote that is never closed makes a field of all the rest of the file.
        if text.chars().nth(MAX_FIELD_LENGTH).is_some() {
            return Err(format!(
                "The field '{name}' is longer than {MAX_FIELD_LENGTH} characters; perhaps a quote is not closed."
            ));
        }
        Ok(text)
    };
    let optional = |name: &'static str| {
        let text = if columns.contains_key(name) { field(name)? } else { "" };
        Ok::<_, String>(Some(text).filter(|text| !text.is_empty()))
    };
    let otp_type = match optional("otp type")? {
        None => OtpType::Totp,
        Some(text) => OtpType::parse(&text.to_ascii_lowercase()).ok_or("The otp type is totp or hotp.")?,
    };
    let hash_function = match optional("hash function")? {
        None => DeviceHash::Sha1,
        Some(text) => DeviceHash::parse(&text.to_ascii_lowercase())
            .ok_or("The hash function is hmacsha1, hmacsha256 or hmacsha512.")?,
    };
    let digits = match optional("digits")? {
        None | Some("6") => 6,
        Some("8") => 8,
        Some(_) => return Err("The digits are 6 or 8.".into()),
    };
    let time_interval_in_seconds = match (field("time interval")?, otp_type) {
        ("30", _) => Some(30),
        ("60", _) => Some(60),
        ("", OtpType::Hotp) => None,
        _ => return Err("The time interval is 30 or 60.".into()),
    };
    Ok(NewDevice {
        serial_number: field("serial number")?.to_owned(),
        manufacturer: field("manufacturer")?.to_owned(),
        model: field("model")?.to_owned(),
        secret_key: SecretString::from(field("secret key")?),
        otp_type,
        digits,
        time_interval_in_seconds,
        hash_function,
        counter: 0,
        drift_steps: 0,
        display_name: None,
        assign_to: Some(field("upn")?.to_owned()).filter(|upn| !upn.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::FailedRow, *};

    const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model";

    fn read(file: impl AsRef<[u8]>) -> Result<(Vec<NewDevice>, Vec<FailedRow>)> {
        check(file.as_ref())?;
        let (mut devices, mut failed) = (vec![], vec![]);
        for row in Rows::open(file.as_ref())? {
            match row? {
                (_, Ok(device)) => devices.push(device),
                (line, Err(reason)) => failed.push(FailedRow { line, reason }),
            }
        }
        Ok((devices, failed))
    }

    #[test]
    fn files_as_spreadsheets_write_them() {
        let files = [
            format!("{HEADER}\nhelga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey\n"),
            format!("\u{feff}{HEADER}\r\nhelga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey"),
            "MODEL,Manufacturer,Time Interval,\"Secret Key\",Serial Number,UPN\n\
             HardwareKey , Contoso,60,2234567abcdef2234567abcdef,\"1234567\",helga@contoso.com\n\n"
                .into(),
            "\u{feff}\"upn\",serial number,secret key,time interval,manufacturer,model\n\
             helga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey"
                .into(),
        ];
        for file in files {
            let (rows, failed) = read(&file).unwrap();
            assert!(failed.is_empty(), "{file}: {failed:?}");
            assert_eq!(rows.len(), 1, "{file}");
            assert_eq!(rows[0].assign_to.as_deref(), Some("helga@contoso.com"));
            assert_eq!(rows[0].serial_number, "1234567");
            assert_eq!(rows[0].time_interval_in_seconds, Some(60));
            assert_eq!((rows[0].manufacturer.as_str(), rows[0].model.as_str()), ("Contoso", "HardwareKey"));
        }
    }

    #[test]
    fn more_columns_say_what_kind_of_token_it_is() {
        let secret = "2234567abcdef2234567abcdef";
        let file = format!(
            "{HEADER},otpType,Digits,HASH FUNCTION\n,1,{secret},,C,K,HOTP,8,hmacsha512\n,2,{secret},60,C,K,,,\n\
             ,3,{secret},,C,K,totp,,\n,4,{secret},30,C,K,ocra,,\n,5,{secret},30,C,K,,7,\n,6,{secret},30,C,K,,,md5\n"
        );
        let (rows, failed) = read(file).unwrap();
        let kinds: Vec<_> = rows
            .iter()
            .map(|row| (row.otp_type, row.digits, row.hash_function, row.time_interval_in_seconds))
            .collect();
        let expected = [(OtpType::Hotp, 8, DeviceHash::Sha512, None), (OtpType::Totp, 6, DeviceHash::Sha1, Some(60))];
        assert_eq!(kinds, expected);
        let reasons: Vec<_> = failed.iter().map(|row| (row.line, row.reason.as_str())).collect();
        let words = ["time interval", "otp type", "digits", "hash function"];
        assert!(reasons.iter().zip([4, 5, 6, 7]).all(|((line, _), expected)| *line == expected), "{reasons:?}");
        assert!(reasons.iter().zip(words).all(|((_, reason), word)| reason.contains(word)), "{reasons:?}");
    }

    #[test]
    fn a_wrong_header_is_refused_whole() {
        for file in [
            "",
            "\n",
            "upn,serial number,secret key,time interval,manufacturer\n",
            "upn;serial number;secret key;time interval;manufacturer;model\n",
            "upn,serial number,secret key,time interval,manufacturer,model,model\n",
            "upn,serial number,secret key,time interval,manufacturer,model,color\n",
            "helga@contoso.com,1234567,2234567abcdef2234567abcdef,60,Contoso,HardwareKey\n",
        ] {
            assert!(matches!(read(file), Err(Error::Invalid { .. })), "{file}");
        }
    }

    #[test]
    fn bad_rows_are_named_by_their_line() {
        let file = format!(
            "{HEADER}\na@b,1,2234567abcdef2234567abcdef,60,C,K\na@b,2,2234567abcdef2234567abcdef,45,C,K\n\n\
             a@b,3\n\"a\n@b\",4,2234567abcdef2234567abcdef,30,C,K,extra\n,5,2234567abcdef2234567abcdef,30,C,K\n"
        );
        for file in [&file, &file.replace("\n", "\r\n"), &file.replace('\n', "\r"), &format!("\u{feff}{file}")] {
            let (_, failed) = read(file).unwrap();
            assert_eq!(failed.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 5, 6], "{file:?}");
        }
        let (rows, _) = read(&file).unwrap();
        assert_eq!(rows.iter().map(|row| row.serial_number.as_str()).collect::<Vec<_>>(), ["1", "5"]);
        assert_eq!(rows[1].assign_to, None);
        let (rows, failed) = read(format!("{HEADER}\n,1,\"{}", "A".repeat(5000))).unwrap();
        assert!(rows.is_empty());
        assert!(failed[0].reason.contains("'time interval'") || failed[0].reason.contains("quote"), "{failed:?}");
    }

    #[test]
    fn lines_are_counted_in_long_files_too() {
        let row = "a@b,1,2234567abcdef2234567abcdef,60,C,K";
        for end in ["\n", "\r\n", "\r"] {
            let file = format!("{HEADER}{end}{}{end}bad{end}", format!("{row}{end}").repeat(5_000));
            let (rows, failed) = read(file).unwrap();
            assert_eq!((rows.len(), failed[0].line), (5_000, 5_003), "{end:?}");
        }
    }

    #[test]
    fn a_file_has_a_limit() {
        let row = ",1,2234567abcdef2234567abcdef,30,C,K\n";
        assert_eq!(read(format!("{HEADER}\n{}", row.repeat(MAX_ROWS))).unwrap().0.len(), MAX_ROWS);
        assert!(read(format!("{HEADER}\n{}", row.repeat(MAX_ROWS + 1))).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), with_header: bool) {
            let mut file = if with_header { format!("{HEADER}\n").into_bytes() } else { vec![] };
            file.extend(bytes);
            if let Ok((_, failed)) = read(file) {
                prop_assert!(failed.iter().all(|row| row.line > 1));
            }
        }

        #[test]
        fn every_row_of_a_right_file_is_read(
            rows in prop::collection::vec(("[a-z.]{1,20}@[a-z]{1,10}", "[A-Za-z0-9 ,\"\n-]{0,20}", "[A-Za-z2-7]{16}", prop::bool::ANY), 0..40),
            order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
            crlf: bool,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut file = csv::WriterBuilder::new().terminator(terminator).from_writer(vec![]);
            let mut write = |fields: [String; 6]| file.write_record(order.map(|index| fields[index].clone())).unwrap();
            write(COLUMNS.map(str::to_owned));
            for (index, (upn, model, secret, long)) in rows.iter().enumerate() {
                let interval = if *long { "60" } else { "30" };
                let serial = format!("serial {index}");
                write([upn.clone(), serial, secret.clone(), interval.into(), "Contoso".into(), format!("m{model}")]);
            }
            let (read, failed) = read(file.into_inner().unwrap()).unwrap();
            prop_assert!(failed.is_empty());
            prop_assert_eq!(read.len(), rows.len());
            for (index, (read, row)) in read.iter().zip(&rows).enumerate() {
                prop_assert_eq!(read.assign_to.as_deref(), Some(row.0.as_str()));
                prop_assert_eq!(&read.serial_number, &format!("serial {index}"));
                prop_assert_eq!(read.model.clone(), format!("m{}", row.1).trim().to_owned());
            }
        }
    }
}
