/// A vector laid out for fast dot products: eight numbers a step, the last step filled up with zeros.
package struct DenseVector: Sendable, Equatable {
    package let count: Int
    private let blocks: [SIMD8<Float>]
    private let length: Float

    package init(_ values: [Float]) {
        count = values.count
        var blocks = [SIMD8<Float>](repeating: .zero, count: (values.count + 7) / 8)
        for (index, value) in values.enumerated() { blocks[index / 8][index % 8] = value }
        self.blocks = blocks
        length = Self.dot(blocks, blocks).squareRoot()
    }

    package var values: [Float] {
        (0..<count).map { blocks[$0 / 8][$0 % 8] }
    }

    /// Cosine of the angle between two vectors of one dimension, -1 … 1; 0 where one has no length.
    package func cosine(_ other: DenseVector) -> Float {
        let lengths = length * other.length
        return lengths > 0 ? Self.dot(blocks, other.blocks) / lengths : 0
    }

    private static func dot(_ left: [SIMD8<Float>], _ right: [SIMD8<Float>]) -> Float {
        var sum = SIMD8<Float>.zero
        for index in left.indices { sum += left[index] * right[index] }
        return sum.sum()
    }
}
