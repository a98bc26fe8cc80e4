internal import Glibc
package import NIOCore

/// The Date field (RFC 9110, 6.6.1), written anew once a second.
///
/// One event loop owns it; the connections of a loop may share one.
package final class DateField {
    private static let days: [StaticString] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private let clock: () -> Int
    private var second = Int.min
    private var cached = ByteBuffer()

    /// - Parameter clock: whole seconds since 1970, UTC.
    package init(clock: @escaping () -> Int = DateField.systemSeconds) {
        self.clock = clock
    }

    package static func systemSeconds() -> Int {
        var now = timespec()
        // Cheaper than CLOCK_REALTIME, and behind it by 4 ms at most.
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        return now.tv_sec
    }

    /// `Date: Sun, 06 Nov 1994 08:49:37 GMT` CRLF.
    package var line: ByteBuffer {
        let now = clock()
        if now != second {
            second = now
            write(now)
        }
        return cached
    }

    private func write(_ seconds: Int) {
        let day = Int((Double(seconds) / 86_400).rounded(.down))
        let time = seconds - day * 86_400
        let (year, month, dayOfMonth) = Self.civil(day)
        var buffer = ByteBufferAllocator().buffer(capacity: 37)
        buffer.writeStaticString("Date: ")
        buffer.writeStaticString(Self.days[((day % 7) + 7) % 7])
        buffer.writeStaticString(", ")
        Self.twoDigits(dayOfMonth, &buffer)
        buffer.writeStaticString(" ")
        buffer.writeStaticString(Self.months[month - 1])
        buffer.writeStaticString(" ")
        Self.twoDigits(year / 100, &buffer)
        Self.twoDigits(year % 100, &buffer)
        buffer.writeStaticString(" ")
        Self.twoDigits(time / 3_600, &buffer)
        buffer.writeStaticString(":")
        Self.twoDigits(time / 60 % 60, &buffer)
        buffer.writeStaticString(":")
        Self.twoDigits(time % 60, &buffer)
        buffer.writeStaticString(" GMT\r\n")
        cached = buffer
    }

    private static func twoDigits(_ value: Int, _ buffer: inout ByteBuffer) {
        buffer.writeInteger(0x30 + UInt8(value / 10))
        buffer.writeInteger(0x30 + UInt8(value % 10))
    }

    /// The date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
    private static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
