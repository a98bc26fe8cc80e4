package import NIOCore

/// The fields of one message, in order, as ranges over the bytes they came in.
///
/// Nothing is copied: the block keeps a slice of the read buffer alive. One allocation holds the ranges; a set of bits
/// says which known fields are there, so that asking for an absent one costs a shift.
package struct FieldBlock {
    /// The bytes that hold the fields; of a request, its request line too.
    package let buffer: ByteBuffer
    let lines: [FieldLine]
    private let present: UInt128

    /// - Parameters:
    ///   - buffer: its reader index is 0.
    ///   - lines: lie within the buffer's readable bytes.
    ///   - present: see `bit(of:)`.
    init(buffer: ByteBuffer, lines: [FieldLine], present: UInt128) {
        self.buffer = buffer
        self.lines = lines
        self.present = present
    }

    /// The bit that stands for a field, by its raw value; 0 for an unknown one.
    @inline(__always)
    static func bit(of field: UInt8) -> UInt128 {
        field == FieldLine.unknown ? 0 : 1 &<< UInt128(truncatingIfNeeded: field)
    }

    /// Field lines, not distinct names.
    package var count: Int { lines.count }

    package func contains(_ field: KnownField) -> Bool {
        present & Self.bit(of: field.rawValue) != 0
    }

    /// The value of the first line with this name, without the white space around it.
    package func first(_ field: KnownField) -> ByteBufferView? {
        guard contains(field), let line = lines.first(where: { $0.field == field.rawValue }) else { return nil }
        return value(of: line)
    }

    /// The value as text; several lines are joined by ", " (RFC 9110, 5.3). Bytes that are no UTF-8 are repaired.
    package func string(_ field: KnownField) -> String? {
        guard contains(field) else { return nil }
        return joined { $0.field == field.rawValue }
    }

    /// The value of a field that may have no slot. Compares every name: not for the hot path.
    package func string(named lowercasedName: String) -> String? {
        var name = lowercasedName
        return name.withUTF8 { wanted in
            joined { line in
                let bytes = view(line.nameOffset, UInt32(line.nameLength))
                return bytes.count == wanted.count
                    && zip(bytes, wanted).allSatisfy { ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == $1 }
            }
        }
    }

    /// Calls the body with each element of a comma-separated list (RFC 9110, 5.6.1) over all lines of that name;
    /// empty elements are left out. Commas in quoted strings are not told apart: for lists of tokens.
    package func forEachElement(of field: KnownField, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard contains(field) else { return }
        buffer.withUnsafeReadableBytes { bytes in
            for line in lines where line.field == field.rawValue {
                let value = UnsafeRawBufferPointer(
                    rebasing: bytes[Int(line.valueOffset)..<Int(line.valueOffset + line.valueLength)]
                )
                TokenList.forEachElement(of: value, body)
            }
        }
    }

    /// Whether a list such as Connection, Cache-Control or Accept-Encoding has an element that begins with this token.
    /// - Parameter token: in lower case.
    package func has(_ token: StaticString, in field: KnownField) -> Bool {
        var found = false
        forEachElement(of: field) { element in
            let name = element.prefix { ByteClass.isToken($0) }
            if ByteClass.equalsIgnoringCase(UnsafeRawBufferPointer(rebasing: name), token) { found = true }
        }
        return found
    }

    private func joined(_ isWanted: (FieldLine) -> Bool) -> String? {
        var text: String?
        for line in lines where isWanted(line) {
            let next = String(decoding: value(of: line), as: UTF8.self)
            text = text.map { $0 + ", " + next } ?? next
        }
        return text
    }

    func name(of line: FieldLine) -> ByteBufferView { view(line.nameOffset, UInt32(line.nameLength)) }

    private func value(of line: FieldLine) -> ByteBufferView { view(line.valueOffset, line.valueLength) }

    private func view(_ offset: UInt32, _ length: UInt32) -> ByteBufferView {
        guard let view = buffer.viewBytes(at: buffer.readerIndex + Int(offset), length: Int(length)) else {
            preconditionFailure("a field lies outside its block")
        }
        return view
    }
}
