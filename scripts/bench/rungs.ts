/** The cases of the ladder, by the names under which both arms have them. */
export const RUNGS = ['empty', 'view', 'add', 'add with gradient', 'matmul 4x4', 'block of 20, both ways'];
