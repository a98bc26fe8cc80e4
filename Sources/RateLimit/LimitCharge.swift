package import Hashing
package import NIOCore

/// Who is charged, as 16 bytes of a SHA-256: no caller's text is stored, and its length is bounded.
package struct LimitIdentity: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    private init(_ digest: SHA256Digest) { (high, low) = digest.leadingWords }

    /// - Parameter hasher: the loop's.
    package init(_ text: String, hasher: SHA256Hasher) {
        hasher.update(text)
        self.init(hasher.finish())
    }

    /// - Parameter hasher: the loop's.
    package init(_ bytes: ByteBufferView, hasher: SHA256Hasher) {
        hasher.update(bytes)
        self.init(hasher.finish())
    }

    /// Of the 65,536 shared keys the one that is this identity's where there are too many: its first four digits.
    var sharedIndex: UInt16 { UInt16(truncatingIfNeeded: high >> 48) }

    static func < (left: LimitIdentity, right: LimitIdentity) -> Bool {
        left.high == right.high ? left.low < right.low : left.high < right.high
    }

    /// 32 hexadecimal digits.
    func appendDigits(to key: inout [UInt8]) {
        for word in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                key.append(Hexadecimal.digit(UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 0x0F))
            }
        }
    }
}

/// One call to be counted against one limit. A request holds at most one for each rule.
package struct LimitCharge: Hashable, Sendable {
    /// Into the store's rules.
    package let ruleIndex: Int
    package let identity: LimitIdentity

    package init(ruleIndex: Int, identity: LimitIdentity) {
        self.ruleIndex = ruleIndex
        self.identity = identity
    }
}
