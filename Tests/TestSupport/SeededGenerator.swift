internal import Foundation

/// SplitMix64 (Vigna): the same numbers for the same seed, everywhere, so that a failing case can be run again.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable package init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

    @inlinable package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    @inlinable package mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next().multipliedFullWidth(by: UInt64(range.count)).high)
    }

    /// 0 ..< 1
    @inlinable package mutating func part() -> Double { Double(next() >> 11) * 0x1p-53 }
    @inlinable package mutating func chance(_ probability: Double) -> Bool { part() < probability }

    @inlinable package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[int(0...elements.count - 1)]
    }

    package mutating func exponential(_ mean: Double) -> Double { -mean * log(1 - part()) }
}
